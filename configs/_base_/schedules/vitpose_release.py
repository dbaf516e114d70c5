"""The ViTPose release: AdamW 5e-4, less from layer to layer, divided by 10 at epochs 170 and 200 of 210."""

from mmengine.optim import LinearLR, MultiStepLR, OptimWrapper
from torch.optim import AdamW

from posekit.engine.layer_decay import LayerDecay

train_cfg = dict(max_epochs=210, val_interval=10)
optim_wrapper = dict(
    type=OptimWrapper,
    constructor=LayerDecay,
    paramwise_cfg=dict(layer_decay=0.75),
    optimizer=dict(type=AdamW, lr=5e-4, betas=(0.9, 0.999), weight_decay=0.1),
    clip_grad=dict(max_norm=1),
)
param_scheduler = [
    dict(type=LinearLR, start_factor=1e-3, begin=0, end=500, by_epoch=False),
    dict(type=MultiStepLR, milestones=[170 / 210, 200 / 210], gamma=0.1, by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=512)  # 8 GPUs with 64 people each.
