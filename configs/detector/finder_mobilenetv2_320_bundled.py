"""The person finder that comes with posekit: the end of finder_mobilenetv2_320.py's training, sooner.

It goes on from epoch 12 of that one's 30, when the learning rate is near its highest, down to 0 in 8 epochs.

    python tools/train_detector.py configs/detector/finder_mobilenetv2_320.py  # stopped after epoch 12
    python tools/train_detector.py configs/detector/finder_mobilenetv2_320_bundled.py
"""

from mmengine.config import read_base

with read_base():
    from .finder_mobilenetv2_320 import *

load_from = "work_dirs/finder_mobilenetv2_320/epoch_12.pth"
# The weights come with load_from; ImageNet's are not needed again.
model.update(pretrained=None)
train_cfg.update(max_epochs=8)
param_scheduler[0].update(eta_max=1.5e-3, pct_start=0.05)
