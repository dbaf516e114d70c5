"""The SimpleBaseline release: ResNet-50, MPII, 256x256.

Expected: PCKh@0.5 88.5 (weighted mean) from ImageNet weights, see
_base_/models/simple_baseline_release.py.
Cost: not measured. 32 people per GPU in the release.

    python tools/train.py configs/simple_baseline/simplebaseline_r50_mpii_256x256.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.mpii_256x256 import *
    from .._base_.models.simple_baseline_release import *
    from .._base_.schedules.simple_baseline_release import *
