"""The ViTPose release: B, classic decoder, COCO, 256x192.

Expected: AP .758, AR .811 with the released boxes, from MAE weights, see _base_/models/vitpose_release.py.
Cost: not measured. 64 people per GPU in the release.

    python tools/train.py configs/vitpose/vitpose_b_coco_256x192.py
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.coco_256x192 import *
    from .._base_.models.vitpose_release import *
    from .._base_.schedules.vitpose_release import *

for _loader in (train_dataloader, val_dataloader, test_dataloader):
    _loader["dataset"]["crop"].update(convention="udp")
train_dataloader.update(batch_size=64)
train_dataloader["dataset"]["augment"].update(rotation=40, scale=0.5)
