"""The ViTPose release: H, classic decoder, COCO, 256x192.

Expected: AP .791, AR .841 with the released boxes, from MAE weights, see _base_/models/vitpose_release.py.
Cost: not measured. 64 people per GPU in the release.

    python tools/train.py configs/vitpose/vitpose_h_coco_256x192.py
"""

from mmengine.config import read_base

with read_base():
    from .vitpose_b_coco_256x192 import *

model["backbone"].update(variant="h", drop_path=0.55)
optim_wrapper["paramwise_cfg"].update(layer_decay=0.85)
