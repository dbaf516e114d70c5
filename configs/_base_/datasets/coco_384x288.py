"""COCO keypoints 2017 at 384x288 (height x width)."""

from mmengine.config import read_base

with read_base():
    from .coco_256x192 import *

for _loader in (train_dataloader, val_dataloader, test_dataloader):
    _loader["dataset"]["crop"].update(input_size_hw=(384, 288))
