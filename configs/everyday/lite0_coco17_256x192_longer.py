"""COCO's 17 keypoints for everyday photos at 256x192, last of six trainings: plain MSE, and blurred people.

Of the losses plain MSE is ahead in the end. Most people of ordinary photos are small: of LSP's people at a
quarter of their size the training before finds 16 points less, so that a third of the crops are blurred as
far as that. The bundled weights began from that training's in half precision, the only ones that came with
posekit then.

    python tools/train.py configs/everyday/lite0_coco17_256x192_longer.py
"""

from mmengine.config import read_base

from posekit.models.losses import MSELoss

with read_base():
    from .lite0_coco17_256x192 import *

load_from = "work_dirs/lite0_coco17_256x192/best_PCK@0.2_mean.pth"
model["head"]["loss"] = dict(type=MSELoss)
for _part in train_dataloader["dataset"]["datasets"].values():
    _part["pixels"].update(blur_prob=0.35, blur_sigma=(0.3, 3))
train_cfg.update(max_epochs=14)
