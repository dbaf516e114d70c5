"""The HRNet release: W48, COCO, 384x288, sigma 3.

Expected: AP .763, AR .812 with the released boxes, from ImageNet weights.
Cost: not measured. 4 GPUs with 32 people each in the release.

    python tools/train.py configs/hrnet/hrnet_w48_coco_384x288.py
"""

from mmengine.config import read_base

with read_base():
    from .hrnet_w32_coco_384x288 import *

model["backbone"].update(variant="w48")
model["backbone"]["pretrained"].update(path="data/weights/hrnet_w48-8ef0771d.pth", sha256="8ef0771d")
