"""The pytorch-pose release of the hourglass: RMSprop 2.5e-4, divided by 10 at epochs 60 and 90 of 100."""

from mmengine.optim import MultiStepLR, OptimWrapper
from torch.optim import RMSprop

train_cfg = dict(max_epochs=100, val_interval=1)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=RMSprop, lr=2.5e-4))
param_scheduler = [dict(type=MultiStepLR, milestones=[0.6, 0.9], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(base_batch_size=6)
