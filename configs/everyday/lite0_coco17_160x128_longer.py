"""COCO's 17 keypoints for everyday photos, last of four trainings: what comes with posekit.

Its rate is half of the third's: larger inputs refine what small ones have taught.

    python tools/train.py configs/everyday/lite0_coco17_160x128_longer.py
"""

from mmengine.config import read_base

with read_base():
    from .lite0_coco17_160x128 import *

load_from = "work_dirs/lite0_coco17_128x96_longer/epoch_34.pth"
train_cfg.update(max_epochs=18, val_interval=1)
param_scheduler[0].update(eta_max=1e-3, pct_start=0.05)
