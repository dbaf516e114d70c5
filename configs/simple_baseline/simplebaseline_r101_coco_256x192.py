"""The SimpleBaseline release: ResNet-101, COCO, 256x192.

Expected: AP .714, AR .771 with the released boxes, from ImageNet weights.
Cost: not measured. 32 people per GPU in the release.

    python tools/train.py configs/simple_baseline/simplebaseline_r101_coco_256x192.py
"""

from mmengine.config import read_base

with read_base():
    from .simplebaseline_r50_coco_256x192 import *

model["backbone"].update(depth=101)
model["backbone"]["pretrained"].update(path="data/weights/resnet101-5d3b4d8f.pth", sha256="5d3b4d8f")
