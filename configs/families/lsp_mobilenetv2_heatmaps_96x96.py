"""Families of networks at one budget: heatmaps. MobileNetV2 from ImageNet, LSP-extended, 96x96, 4 epochs.

Its siblings differ in the head, and in the map of the backbone that the head takes: coordinates by L1, in a
cascade, and by residual log-likelihood, means of heatmaps, SimCC, dense detection's losses; and in the
network: a stacked hourglass, an HRNet, SimpleBaseline, a small vision transformer, a convolutional pose
machine, Tompson's network alone and refined, all from random weights. Crops, batches, optimiser and schedule
are the same. All of them, two seeds each, three to fourteen minutes of one core a cell;
posekit/docs/families.md has the table:

    python tools/gamma_sweep.py configs/families/lsp_mobilenetv2_heatmaps_96x96.py --gammas 0 \
        --variants configs/families/families.json --seeds 0 1

There is no training without torchvision's mobilenet_v2-b0353104.pth in data/weights/; elsewhere
``--cfg-options model.backbone.pretrained=/your/file.pth``.

    python tools/train.py configs/families/lsp_mobilenetv2_heatmaps_96x96.py
"""

from mmengine.config import read_base

with read_base():
    from ..study.lsp_mobilenetv2_pretrained_96x96 import *

train_cfg.update(max_epochs=4, val_interval=4)
# It looks at heatmaps, which some of the siblings have not.
default_hooks.pop("foreground")
