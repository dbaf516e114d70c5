"""The SimpleBaseline release: ResNet-152, MPII, 256x256.

Expected: PCKh@0.5 89.6 (weighted mean) from ImageNet weights.
Cost: not measured. 32 people per GPU in the release.

    python tools/train.py configs/simple_baseline/simplebaseline_r152_mpii_256x256.py
"""

from mmengine.config import read_base

with read_base():
    from .simplebaseline_r50_mpii_256x256 import *

model["backbone"].update(depth=152)
model["backbone"]["pretrained"].update(path="data/weights/resnet152-b121ed2d.pth", sha256="b121ed2d")
