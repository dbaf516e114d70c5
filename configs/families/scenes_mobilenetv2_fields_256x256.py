"""Many people without a detector: part affinity fields (OpenPose), MobileNetV2 from ImageNet, 256x256.

Whole pictures of one to five rendered people; crowds in the distance teach nothing. Two siblings have the
same pictures and backbone: tags in the place of fields, and a top-down network, which is given boxes.

    python -m posekit.synthetic --out data/scenes --train 1600 --val 200 --people 5
    python tools/train.py configs/families/scenes_mobilenetv2_fields_256x256.py

There is no training without torchvision's mobilenet_v2-b0353104.pth in data/weights/; elsewhere
``--cfg-options model.backbone.pretrained=/your/file.pth``.
"""

from mmengine.config import read_base

from posekit.bottomup import PartAffinityHead
from posekit.datasets.bottomup import BottomUpDataset
from posekit.datasets.coco import load_coco
from posekit.datasets.sampler import EpochSampler
from posekit.metrics.evaluators import OKSMetric
from posekit.models.estimator import PoseEstimator
from posekit.models.pretrained import PretrainedFile
from posekit.models.timm_backbone import TimmBackbone
from posekit.transforms import Augment, Crop

with read_base():
    from .._base_.runtime import *
    from .._base_.schedules.one_cycle import *

skeleton = "mpii16"
data_root = "data/scenes"
# The whole picture, as large as may be: a letterbox.
_crop = dict(type=Crop, input_size_hw=(256, 256), padding=1.0, convention="udp")
_pictures = dict(
    type=BottomUpDataset,
    source=dict(type=load_coco, ann_file="annotations/person_keypoints_train.json", image_dir="images/train"),
    crop=_crop,
)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(
        **_pictures,
        augment=dict(type=Augment, flip_prob=0.5, rotation=20, scale=(0.6, 1.1), shift=0.1),
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=BottomUpDataset,
        source=dict(type=load_coco, ann_file="annotations/person_keypoints_val.json", image_dir="images/val"),
        crop=_crop,
    ),
)
test_dataloader = val_dataloader
# A person's own score counts as it is; assembly leaves nobody twice.
val_evaluator = test_evaluator = [dict(type=OKSMetric, rescore_threshold=None, nms_threshold=None)]
model = dict(
    type=PoseEstimator,
    backbone=dict(
        type=TimmBackbone,
        name="mobilenetv2_100",
        decoder="pyramid",
        stride=8,
        pretrained=dict(
            type=PretrainedFile,
            path="data/weights/mobilenet_v2-b0353104.pth",
            sha256="b0353104",
            source="https://download.pytorch.org/models/",
            strict=True,
        ),
    ),
    head=dict(type=PartAffinityHead, stages=2, width=64, targets=dict(sigma=8.0, width=6.0)),
    channels_last=True,
    # What is as fine as this ImageNet has taught; it takes a third of a step's time.
    frozen=tuple(f"backbone.backbone.{part}." for part in ("conv_stem", "bn1", "blocks.0", "blocks.1")),
)
train_cfg.update(max_epochs=4, val_interval=2)
auto_scale_lr.update(base_batch_size=8)
default_hooks["checkpoint"].update(save_best="AP")
