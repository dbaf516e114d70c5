"""The pytorch-pose release: Stacked Hourglass, 2 stacks, MPII, 256x256.

Not the release's: its colour jitter.

Expected: PCKh@0.5 86.76 as a plain mean of 14 joints, 87.30 weighted.
Cost: not measured.

    python tools/train.py configs/hourglass/hourglass_s2_mpii_256x256.py
"""

from mmengine.config import read_base

from posekit.codecs import MSRACodec
from posekit.models.losses import JointsMSELoss

with read_base():
    from .._base_.datasets.mpii_256x256 import *
    from .._base_.models.hourglass import *
    from .._base_.schedules.pytorch_pose import *

train_dataloader.update(batch_size=6)
# MPII's mean colour is subtracted, and nothing divides but 255.
model.update(mean=(112.302, 113.22, 110.3385), std=(255.0, 255.0, 255.0))
model["backbone"].update(stacks=2)
model["head"]["codec"] = dict(type=MSRACodec, sigma=1)
model["head"]["loss"] = dict(type=JointsMSELoss)
