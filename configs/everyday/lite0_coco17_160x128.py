"""COCO's 17 keypoints for everyday photos, second of two trainings: EfficientNet-Lite0, 160x128, 12 epochs.

It goes on from epoch 12 of lite0_coco17_128x96.py, whose learning rate is high then, with larger inputs:
small ones first cost half as much. Beside the windows of COCO's photos it sees photos in which nobody is
at all (rooms, animals, things), with a ``nobody.json`` in COCO's form whose ``annotations`` are empty.

    python tools/train.py configs/everyday/lite0_coco17_128x96.py
    python tools/train.py configs/everyday/lite0_coco17_160x128.py
"""

from mmengine.config import read_base

from posekit.datasets.background import load_backgrounds

with read_base():
    from .lite0_coco17_128x96 import *

load_from = "work_dirs/lite0_coco17_128x96/epoch_12.pth"
# The weights come with load_from; ImageNet's are not needed again.
model["backbone"].update(pretrained=False)
_mixture = train_dataloader["dataset"]
_mixture["datasets"]["nobody"] = dict(
    _mixture["datasets"]["coco_nobody"],
    source=dict(
        type=load_backgrounds,
        ann_file="nobody/nobody.json",
        image_dir="nobody/images",
        windows=2,
        sides=(0.4, 1),
    ),
)
_mixture["ratios"].update(nobody=480)
_mixture.update(size=8160)
for _part in _mixture["datasets"].values():
    _part["crop"].update(input_size_hw=(160, 128))
for _loader in (val_dataloader, test_dataloader):
    _loader["dataset"]["crop"].update(input_size_hw=(160, 128))
train_cfg.update(max_epochs=12, val_interval=1)
param_scheduler[0].update(eta_max=1.5e-3, pct_start=0.1)
