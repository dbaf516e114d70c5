"""HRNet-W32 with the release's targets and loss.

A window of 3 sigma, the weight before squaring, a factor 0.5, the mean over joints.
"""

from mmengine.config import read_base

from posekit.codecs import MSRACodec
from posekit.models.losses import JointsMSELoss

with read_base():
    from .hrnet import *

model["head"]["codec"] = dict(type=MSRACodec, sigma=2)
model["head"]["loss"] = dict(type=JointsMSELoss)
