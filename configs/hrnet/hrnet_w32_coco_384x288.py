"""The HRNet release: W32, COCO, 384x288, sigma 3.

Expected: AP .758, AR .809 with the released boxes, from ImageNet weights, see
_base_/models/hrnet_release.py.
Cost: not measured. 4 GPUs with 32 people each in the release.

    python tools/train.py configs/hrnet/hrnet_w32_coco_384x288.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_384x288 import *
    from .._base_.models.hrnet_release import *
    from .._base_.schedules.hrnet_release import *

model["head"]["codec"].update(sigma=3)
