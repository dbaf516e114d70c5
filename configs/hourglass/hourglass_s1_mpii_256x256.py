"""The pytorch-pose release: Stacked Hourglass, 1 stack, MPII, 256x256.

Expected: not stated here.
Cost: not measured.

    python tools/train.py configs/hourglass/hourglass_s1_mpii_256x256.py
"""

from mmengine.config import read_base

with read_base():
    from .hourglass_s2_mpii_256x256 import *

model["backbone"].update(stacks=1)
