"""The ViTPose release: L, classic decoder, COCO, 256x192.

Expected: AP .783, AR .835 with the released boxes, from MAE weights, see _base_/models/vitpose_release.py.
Cost: not measured. 64 people per GPU in the release.

    python tools/train.py configs/vitpose/vitpose_l_coco_256x192.py
"""

from mmengine.config import read_base

with read_base():
    from .vitpose_b_coco_256x192 import *

model["backbone"].update(variant="l", drop_path=0.5)
optim_wrapper["paramwise_cfg"].update(layer_decay=0.8)
