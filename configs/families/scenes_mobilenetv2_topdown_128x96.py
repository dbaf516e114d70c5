"""The people of the bottom-up configs' pictures one by one, in boxes: heatmaps, 128x96, the same backbone.

What a network that is given boxes makes of the same photos, in as many epochs. Scored by annotated boxes;
by those of the finder that comes with posekit:

    python tools/train.py configs/families/scenes_mobilenetv2_topdown_128x96.py
    python tools/detect.py data/scenes/annotations/person_keypoints_val.json \
        --image-dir data/scenes/images/val --out data/scenes/found_val.json \
        --weights posekit/weights/finders/finder_mobilenetv2_320.safetensors
    python tools/test.py configs/families/scenes_mobilenetv2_topdown_128x96.py \
        work_dirs/scenes_mobilenetv2_topdown_128x96/best_AP.pth \
        --cfg-options test_dataloader.dataset.source.detections=found_val.json
"""

from mmengine.config import read_base

from posekit.codecs import UDPCodec
from posekit.datasets.topdown import TopDownDataset
from posekit.models.focal_losses import FocalMSELoss
from posekit.models.heads import HeatmapHead

with read_base():
    from .scenes_mobilenetv2_fields_256x256 import *

_people = dict(
    type=TopDownDataset,
    crop=dict(type=Crop, input_size_hw=(128, 96), padding=1.25, convention="udp"),
)
train_dataloader.update(batch_size=16)
train_dataloader["dataset"].update(_people)
train_dataloader["dataset"]["augment"].update(scale=(0.75, 1.25))
val_dataloader.update(batch_size=32)
val_dataloader["dataset"].update(_people)
test_dataloader = val_dataloader
val_evaluator = test_evaluator = [dict(type=OKSMetric)]
model["backbone"].update(stride=4)
model["head"] = dict(
    type=HeatmapHead,
    codec=dict(type=UDPCodec, sigma=1.5),
    loss=dict(type=FocalMSELoss, gamma=1, delta=0.1),
)
auto_scale_lr.update(base_batch_size=16)
