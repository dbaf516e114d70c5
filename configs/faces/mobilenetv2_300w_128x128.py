"""300-W: the landmarks that come with posekit: MobileNetV2 up to stride 16, 128x128, heatmaps, 60 epochs.

It starts from torchvision's mobilenet_v2-b0353104.pth in data/weights; elsewhere
``--cfg-options model.backbone.pretrained=/your/file.pth``, None for random weights.
Cost: ten minutes of one CPU core.

    python tools/train.py configs/faces/mobilenetv2_300w_128x128.py
"""

from mmengine.config import read_base

from posekit.codecs import UDPCodec
from posekit.engine.hooks.ema import EMAHook
from posekit.models.estimator import PoseEstimator
from posekit.models.focal_losses import FocalMSELoss
from posekit.models.heads import HeatmapHead
from posekit.models.pretrained import PretrainedFile
from posekit.models.timm_backbone import TimmBackbone
from posekit.transforms import Crop, Pixels

with read_base():
    from .._base_.datasets.face300w_64x64 import *
    from .._base_.schedules.one_cycle import *

for _loader in (train_dataloader, val_dataloader, test_dataloader):
    _loader.update(num_workers=0, persistent_workers=False)
    _loader["dataset"].update(crop=dict(type=Crop, input_size_hw=(128, 128), convention="udp"))
train_dataloader["dataset"].update(pixels=dict(type=Pixels, blur_sigma=(0.3, 1.2), motion_length=(3, 5)))
train_dataloader["dataset"]["augment"].update(scale=(0.85, 1.15), shift=0.1)
model = dict(
    type=PoseEstimator,
    backbone=dict(
        type=TimmBackbone,
        name="mobilenetv2_100",
        decoder="pyramid",
        width=48,
        options=dict(out_indices=(1, 2, 3)),
        pretrained=dict(
            type=PretrainedFile,
            path="data/weights/mobilenet_v2-b0353104.pth",
            sha256="b0353104",
            source="https://download.pytorch.org/models/",
            strict=True,
        ),
    ),
    head=dict(
        type=HeatmapHead,
        codec=dict(type=UDPCodec, sigma=1.5),
        loss=dict(type=FocalMSELoss, gamma=1, delta=0.1),
    ),
    channels_last=True,
    # What is as fine as this ImageNet has taught; it takes a third of a step's time.
    frozen=tuple(f"backbone.backbone.{part}." for part in ("conv_stem", "bn1", "blocks.0", "blocks.1")),
)
train_cfg.update(max_epochs=60, val_interval=5)
train_dataloader["batch_size"] = auto_scale_lr["base_batch_size"] = 16
# An average over some ten epochs.
default_hooks["ema"] = dict(type=EMAHook, momentum=0.002, warmup=100)
