"""Does the loop close? As ``overfit_coco_hrnet_w32``, with the 2-stack hourglass at 128x128.

Expected: OKS AP .95 on 28 photos with 86 people. Cost: 10 minutes of one CPU core.

    python tools/train.py configs/checks/overfit_coco_hourglass_s2.py --cfg-options data_root=/data/few_photos
"""

from mmengine.config import read_base

from posekit.models.hourglass import Hourglass

with read_base():
    from .overfit_coco_hrnet_w32 import *

model["backbone"] = dict(type=Hourglass, stacks=2)
for _loader in (train_dataloader, val_dataloader, test_dataloader):
    _loader["dataset"]["crop"].update(input_size_hw=(128, 128))
