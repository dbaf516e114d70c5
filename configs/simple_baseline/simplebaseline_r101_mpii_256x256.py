"""The SimpleBaseline release: ResNet-101, MPII, 256x256.

Expected: PCKh@0.5 89.1 (weighted mean) from ImageNet weights.
Cost: not measured. 32 people per GPU in the release.

    python tools/train.py configs/simple_baseline/simplebaseline_r101_mpii_256x256.py
"""

from mmengine.config import read_base

with read_base():
    from .simplebaseline_r50_mpii_256x256 import *

model["backbone"].update(depth=101)
model["backbone"]["pretrained"].update(path="data/weights/resnet101-5d3b4d8f.pth", sha256="5d3b4d8f")
