"""MPII as in Xu & Feng 2020: a 4:3 (height:width) crop stretched to 256x256, uniform augmentation."""

from mmengine.config import read_base

from posekit.transforms import Augment

with read_base():
    from .mpii_256x256 import *

for _loader in (train_dataloader, val_dataloader, test_dataloader):
    # Width / height of the crop. The paper's words read the other way round are aspect=4 / 3.
    _loader["dataset"]["crop"].update(aspect=3 / 4)
train_dataloader["dataset"]["augment"] = dict(
    type=Augment, flip_prob=0.5, rotation=30, scale=(0.65, 1.35), sampling="uniform"
)
# The paper does not say how many; 16 is our choice.
train_dataloader.update(batch_size=16)
