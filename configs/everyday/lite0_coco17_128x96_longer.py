"""COCO's 17 keypoints for everyday photos, third of four trainings: from the second's weights, 128x96 again.

What the first two lacked was time. Small inputs first, as there: 34 epochs at 128x96 cost what 20 cost at
160x128, with which lite0_coco17_160x128_longer.py ends.

    python tools/train.py configs/everyday/lite0_coco17_128x96_longer.py
    python tools/train.py configs/everyday/lite0_coco17_160x128_longer.py
"""

from mmengine.config import read_base

with read_base():
    from .lite0_coco17_160x128 import *

load_from = "work_dirs/lite0_coco17_160x128/best_PCK@0.2_mean.pth"
_mixture = train_dataloader["dataset"]
for _part in _mixture["datasets"].values():
    _part["crop"].update(input_size_hw=(128, 96))
for _loader in (val_dataloader, test_dataloader):
    _loader["dataset"]["crop"].update(input_size_hw=(128, 96))
train_cfg.update(max_epochs=34, val_interval=2)
param_scheduler[0].update(eta_max=2e-3, pct_start=0.1)
