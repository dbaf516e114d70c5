"""Xu & Feng 2020 to the letter: sigma 6 inside the 13 x 13 window, focal MSE with gamma 1.

The target ends at 0.61 in the middle of the window's edges and at 0.37 in its corners. The usual sigma 2
is in hourglass_s8_mpii_focal.py.

Expected: not published apart.
Cost: not measured.

    python tools/train.py configs/paper/hourglass_s8_mpii_focal_sigma6.py
"""

from mmengine.config import read_base

with read_base():
    from .hourglass_s8_mpii_focal import *

model["head"]["codec"].update(sigma=6)
