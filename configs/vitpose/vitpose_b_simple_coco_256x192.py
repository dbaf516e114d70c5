"""The ViTPose release: B, simple decoder, COCO, 256x192.

Expected: AP .755, AR .809 with the released boxes, from MAE weights, see _base_/models/vitpose_release.py.
Cost: not measured. 64 people per GPU in the release.

    python tools/train.py configs/vitpose/vitpose_b_simple_coco_256x192.py
"""

from mmengine.config import read_base

with read_base():
    from .vitpose_b_coco_256x192 import *

model["backbone"].update(decoder="simple")
model["head"].update(kernel_size=3)
