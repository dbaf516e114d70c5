"""The HRNet release: W48, MPII, 256x256.

Expected: not published by the release.
Cost: not measured. 4 GPUs with 32 people each in the release.

    python tools/train.py configs/hrnet/hrnet_w48_mpii_256x256.py
"""

from mmengine.config import read_base

with read_base():
    from .hrnet_w32_mpii_256x256 import *

model["backbone"].update(variant="w48")
model["backbone"]["pretrained"].update(path="data/weights/hrnet_w48-8ef0771d.pth", sha256="8ef0771d")
