"""The SimpleBaseline release: ResNet-50, COCO, 256x192.

Expected: AP .704, AR .763 with the released boxes, from ImageNet weights, see
_base_/models/simple_baseline_release.py.
Cost: not measured. 32 people per GPU in the release.

    python tools/train.py configs/simple_baseline/simplebaseline_r50_coco_256x192.py
"""

from mmengine.config import read_base

from posekit.transforms import Augment

with read_base():
    from .._base_.datasets.coco_256x192 import *
    from .._base_.models.simple_baseline_release import *
    from .._base_.schedules.simple_baseline_release import *

# Less than the HRNet release does, and no half bodies.
train_dataloader["dataset"]["augment"] = dict(
    type=Augment, flip_prob=0.5, rotation=40, rotation_prob=0.6, scale=0.3, sampling="clipped_normal"
)
