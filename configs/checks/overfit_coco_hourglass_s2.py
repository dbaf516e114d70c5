"""Does the loop close? As ``overfit_coco_hrnet_w32``, with the 2-stack hourglass.

python tools/train.py configs/checks/overfit_coco_hourglass_s2.py --cfg-options data_root=/data/few_photos
"""

from mmengine.config import read_base

from posekit.models.hourglass import Hourglass
from posekit.models.losses import MSELoss

with read_base():
    from .overfit_coco_hrnet_w32 import *

model["backbone"] = dict(type=Hourglass, stacks=2)
model["head"]["loss"] = dict(type=MSELoss)
