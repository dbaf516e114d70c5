"""300-W in two stages with the network that comes along, ``face68``: it tells rotation and box, and refines.

The second stage is ``mobilenetv2_300w_128x128.py``, on crops that the labels correct, disturbed at random;
the first is face68, so that nothing needs to be trained before. face68 may be the second, too, as it stands;
what it gains: posekit/docs/faces.md.

    W=posekit/weights/face68.safetensors
    python tools/test.py configs/faces/mobilenetv2_300w_128x128_two_stages.py $W
    python tools/train.py configs/faces/mobilenetv2_300w_128x128_two_stages.py
"""

from mmengine.config import read_base

from posekit.inference.stages import FirstStage

with read_base():
    from .._base_.upright_by_eyes import *
    from .mobilenetv2_300w_128x128 import *

_first = dict(type=FirstStage, model="face68")
train_dataloader["dataset"].update(upright=_upright)
train_dataloader["dataset"]["augment"].update(rotation=10)
val_dataloader["dataset"].update(upright=_upright, first_stage=_first)
test_dataloader["dataset"].update(upright=_upright, first_stage=_first)
