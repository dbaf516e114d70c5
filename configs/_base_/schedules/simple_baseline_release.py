"""The SimpleBaseline release: Adam 1e-3, divided by 10 at epochs 90 and 120 of 140."""

from mmengine.optim import MultiStepLR, OptimWrapper
from torch.optim import Adam

train_cfg = dict(max_epochs=140, val_interval=1)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=Adam, lr=1e-3))
param_scheduler = [dict(type=MultiStepLR, milestones=[90 / 140, 120 / 140], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(base_batch_size=128)  # 4 GPUs with 32 people each, as the paper has it.
