"""As coco_paper.py, by annotated boxes in training, validation and test: no detector is needed."""

from mmengine.config import read_base

with read_base():
    from .coco_paper import *

for _loader in (train_dataloader, val_dataloader, test_dataloader):
    _loader["dataset"]["source"].update(boxes="annotated", detections=None)
