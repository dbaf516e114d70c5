"""For a CPU: AdamW on one cycle up to 2e-3 and down again, 20 epochs."""

from mmengine.optim import OneCycleLR, OptimWrapper
from torch.optim import AdamW

train_cfg = dict(max_epochs=20, val_interval=1)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=AdamW, lr=2e-3, weight_decay=1e-4))
param_scheduler = [dict(type=OneCycleLR, eta_max=2e-3, by_epoch=True, convert_to_iter_based=True)]
auto_scale_lr = dict(base_batch_size=16)
