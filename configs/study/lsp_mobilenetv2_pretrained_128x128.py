"""The gamma study on LSP-extended for a CPU: MobileNetV2 from ImageNet, 128x128, 8 epochs.

There is no training without torchvision's mobilenet_v2-b0353104.pth in data/weights/; elsewhere
``--cfg-options model.backbone.pretrained=/your/file.pth``.
Cost: a quarter of an hour of one core for a cell.

    python tools/gamma_sweep.py configs/study/lsp_mobilenetv2_pretrained_128x128.py --gammas 0 1 --seeds 0
"""

from mmengine.config import read_base

with read_base():
    from ..lsp.mobilenetv2_lsp_128x128_pretrained import *

for _loader in (train_dataloader, val_dataloader, test_dataloader):
    _loader.update(num_workers=0, persistent_workers=False)
default_hooks["foreground"] = dict(interval=20)
