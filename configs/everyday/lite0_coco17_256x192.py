"""COCO's 17 keypoints for everyday photos at 256x192: lite0_coco17_160x128 learns to look closer.

The Gaussians grow with the input, a little less than it does.

    python tools/train.py configs/everyday/lite0_coco17_256x192.py
"""

from mmengine.config import read_base

with read_base():
    from .lite0_coco17_160x128_longer import *

load_from = "posekit/weights/lite0_coco17_160x128.safetensors"
model["head"]["codec"].update(sigma=2)
for _part in train_dataloader["dataset"]["datasets"].values():
    _part["crop"].update(input_size_hw=(256, 192))
for _loader in (val_dataloader, test_dataloader):
    _loader["dataset"]["crop"].update(input_size_hw=(256, 192))
train_cfg.update(max_epochs=10)
param_scheduler[0].update(eta_max=8e-4)
