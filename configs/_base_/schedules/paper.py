"""Xu & Feng 2020: Adam, 200 epochs; 1e-6 for the first 10, then 1e-3, 1e-5 from 100, 1e-6 from 150.

Epochs are counted from 0 here: the warm-up is epochs 0..9.
"""

from mmengine.optim import ConstantLR, MultiStepLR, OptimWrapper
from torch.optim import Adam

train_cfg = dict(max_epochs=200, val_interval=1)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=Adam, lr=1e-3))
param_scheduler = [
    # mmengine lifts the factor one epoch before `end`.
    dict(type=ConstantLR, factor=1e-3, begin=0, end=11, by_epoch=True),
    dict(type=MultiStepLR, milestones=[1 / 2], gamma=1e-2, by_epoch=True),
    dict(type=MultiStepLR, milestones=[3 / 4], gamma=1e-1, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=16)  # Our choice, see _base_/datasets/*_paper.py.
