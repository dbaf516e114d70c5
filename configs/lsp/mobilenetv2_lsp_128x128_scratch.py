"""LSP-extended on a CPU: MobileNetV2 with a light pyramid (1.9 M), 128x128, 8 epochs, MSE, from scratch.

mobilenetv2_lsp_128x128_pretrained.py starts from ImageNet instead; the two are to be compared. Targets, crops
and schedule are those of the small hourglass.
Expected: val PCK@0.2/mean12 26.6, test 24.7 (seed 0).
Cost: a step of 32 people takes 0.65 s of one core, an epoch two minutes.

    python tools/train.py configs/lsp/mobilenetv2_lsp_128x128_scratch.py
"""

from mmengine.config import read_base

from posekit.models.timm_backbone import TimmBackbone

with read_base():
    from .hourglass_small_lsp_96x96_mse import *

model["backbone"] = dict(type=TimmBackbone, name="mobilenetv2_100", decoder="pyramid", pretrained=False)
train_cfg.update(max_epochs=8)
train_dataloader["batch_size"] = auto_scale_lr["base_batch_size"] = 32
for _loader in (train_dataloader, val_dataloader, test_dataloader):
    _loader["dataset"]["crop"].update(input_size_hw=(128, 128))
