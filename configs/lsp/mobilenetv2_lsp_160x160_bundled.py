"""The model that comes with posekit: MobileNetV2, light pyramid, 160x160, focal MSE (gamma 1, delta 0.1).

It goes on from the best checkpoint of mobilenetv2_lsp_128x128_pretrained_focal01.py for 10 epochs with larger
inputs and half the learning rate: small inputs first cost half as much as 160x160 from the start.
Expected: val PCK@0.2/mean12 60.75, test 58.9 (seed 0).
Cost: three minutes an epoch on one CPU core.

    python tools/train.py configs/lsp/mobilenetv2_lsp_128x128_pretrained_focal01.py
    python tools/train.py configs/lsp/mobilenetv2_lsp_160x160_bundled.py
"""

from mmengine.config import read_base

with read_base():
    from .mobilenetv2_lsp_128x128_pretrained_focal01 import *

load_from = "work_dirs/mobilenetv2_lsp_128x128_pretrained_focal01/best_PCK@0.2_mean12.pth"
# The weights come with load_from; ImageNet's are not needed again.
model["backbone"].update(pretrained=False)
train_cfg.update(max_epochs=10)
param_scheduler[0].update(eta_max=1e-3)
for _loader in (train_dataloader, val_dataloader, test_dataloader):
    _loader["dataset"]["crop"].update(input_size_hw=(160, 160))
