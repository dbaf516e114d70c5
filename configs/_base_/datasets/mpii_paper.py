"""MPII as in Xu & Feng 2020: a 4:3 (height:width) crop stretched to 256x256, uniform augmentation.

The paper crops by a Faster R-CNN's boxes, which are tight; MPII states a centre and a scale alone, which
give a square. Here the box is the one of 3:4 (width:height) that the two give: as high as the body, 200 x
scale. So nothing is taken from the joints, which a test person has not, and the crop is no larger than the
box asks for: a person of 400 px is 205 px high in the input, as in the release's crop. (A 3:4 crop about the
square is a third higher and would show 154 px.) Of the joints of the 25,204 annotated people 99.35 % lie in
this crop, 99.58 % in the release's.
"""

from mmengine.config import read_base

from posekit.transforms import Augment

with read_base():
    from .mpii_256x256 import *

for _loader in (train_dataloader, val_dataloader, test_dataloader):
    # Width / height. The paper's words read the other way round are both aspects 4 / 3.
    _loader["dataset"]["source"].update(box_aspect=3 / 4)
    _loader["dataset"]["crop"].update(aspect=3 / 4)
train_dataloader["dataset"]["augment"] = dict(
    type=Augment, flip_prob=0.5, rotation=30, scale=(0.65, 1.35), sampling="uniform"
)
# The paper does not say how many; 16 is our choice.
train_dataloader.update(batch_size=16)
