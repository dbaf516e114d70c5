"""For a few thousand people: Adam 1e-3 with one epoch of warm-up, divided by 10 at 3/4 and 11/12 of 60."""

from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper
from torch.optim import Adam

train_cfg = dict(max_epochs=60, val_interval=1)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=Adam, lr=1e-3))
param_scheduler = [
    dict(type=LinearLR, start_factor=1e-2, begin=0, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type=MultiStepLR, milestones=[3 / 4, 11 / 12], gamma=0.1, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=32)
