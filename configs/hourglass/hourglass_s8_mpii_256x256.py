"""The pytorch-pose release: Stacked Hourglass, 8 stacks, MPII, 256x256.

Expected: PCKh@0.5 88.64 as a plain mean of 14 joints.
Cost: not measured.

    python tools/train.py configs/hourglass/hourglass_s8_mpii_256x256.py
"""

from mmengine.config import read_base

with read_base():
    from .hourglass_s2_mpii_256x256 import *

model["backbone"].update(stacks=8)
