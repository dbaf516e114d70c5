"""The SimpleBaseline release: ResNet-152, COCO, 256x192.

Expected: AP .720, AR .778 with the released boxes, from ImageNet weights.
Cost: not measured. 32 people per GPU in the release.

    python tools/train.py configs/simple_baseline/simplebaseline_r152_coco_256x192.py
"""

from mmengine.config import read_base

with read_base():
    from .simplebaseline_r50_coco_256x192 import *

model["backbone"].update(depth=152)
model["backbone"]["pretrained"].update(path="data/weights/resnet152-b121ed2d.pth", sha256="b121ed2d")
