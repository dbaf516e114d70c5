"""The HRNet release: W48, COCO, 256x192.

Expected: AP .751, AR .804 with the released boxes, from ImageNet weights.
Cost: not measured. 4 GPUs with 32 people each in the release.

    python tools/train.py configs/hrnet/hrnet_w48_coco_256x192.py
"""

from mmengine.config import read_base

with read_base():
    from .hrnet_w32_coco_256x192 import *

model["backbone"].update(variant="w48")
model["backbone"]["pretrained"].update(path="data/weights/hrnet_w48-8ef0771d.pth", sha256="8ef0771d")
