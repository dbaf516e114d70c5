"""HRNet-W32 on CrowdPose, 256x192, with the HRNet release's targets, loss and schedule.

Expected: AP .675, AP50 .825, AP75 .729 (MMPose's row, with YOLOv3 boxes), from ImageNet weights, see
_base_/models/hrnet.py. Cost: not measured.

    python tools/train.py configs/crowdpose/hrnet_w32_crowdpose_256x192.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.crowdpose_256x192 import *
    from .._base_.models.hrnet_release import *
    from .._base_.schedules.hrnet_release import *
