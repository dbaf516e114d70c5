"""The HRNet release: W32, MPII, 256x256.

Expected: PCKh@0.5 90.3 (weighted mean) from ImageNet weights, see
_base_/models/hrnet_release.py.
Cost: not measured. 4 GPUs with 32 people each in the release.

    python tools/train.py configs/hrnet/hrnet_w32_mpii_256x256.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.mpii_256x256 import *
    from .._base_.models.hrnet_release import *
    from .._base_.schedules.hrnet_release import *
