"""The HRNet release: Adam 1e-3, divided by 10 at epochs 170 and 200 of 210."""

from mmengine.optim import MultiStepLR, OptimWrapper
from torch.optim import Adam

train_cfg = dict(max_epochs=210, val_interval=1)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=Adam, lr=1e-3))
param_scheduler = [dict(type=MultiStepLR, milestones=[170 / 210, 200 / 210], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(base_batch_size=128)  # 4 GPUs with 32 people each.
