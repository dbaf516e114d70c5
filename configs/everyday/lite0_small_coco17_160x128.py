"""COCO's 17 keypoints for everyday photos, the small model: taught by the large one, 160x128.

EfficientNet-Lite0 without its stages of stride 32: a quarter of the weights, seven tenths of the work. It
starts from the layers of the bundled lite0_coco17_160x128, and learns from that one's heatmaps beside the
labels. The data are its own, too.

    python tools/train.py configs/everyday/lite0_small_coco17_160x128.py
"""

from mmengine.config import read_base

from posekit.models.distilled import DistilledEstimator
from posekit.models.pretrained import PretrainedFile

with read_base():
    from .lite0_coco17_160x128 import *

load_from = None
_kept = ["backbone.conv_stem.", "backbone.bn1.", *(f"backbone.blocks.{stage}." for stage in range(5))]
_kept += [f"decoder.{layers}.{level}." for layers in ("lateral", "smooth") for level in range(3)]
_teacher = {name: part for name, part in model.items() if name != "frozen"}
model = dict(
    model,
    type=DistilledEstimator,
    backbone=dict(
        model["backbone"],
        options=dict(out_indices=(1, 2, 3)),
        pretrained=dict(
            type=PretrainedFile,
            path="posekit/weights/lite0_coco17_160x128.safetensors",
            strict=True,
            parts=_kept,
        ),
    ),
    teacher=dict(model=dict(_teacher, flip_test=False), checkpoint="lite0_coco17_160x128"),
    share=0.5,
)
train_cfg.update(max_epochs=20, val_interval=1)
param_scheduler[0].update(eta_max=2e-3, pct_start=0.1)
