"""300-W in two stages: ``cnn6_300w_64x64_wing.py`` tells a face's rotation and box, a second CNN-6 refines.

Feng et al., CVPR 2018, two-stage localisation, on the data of 300-W here. This trains the second network: on
crops that the labels correct, disturbed at random by about as much as the first network is off. Validation
and test are corrected by the first network, which is trained before. A Predictor of this config runs both.

    python tools/train.py configs/faces/cnn6_300w_64x64_wing.py
    python tools/train.py configs/faces/cnn6_300w_64x64_wing_two_stages.py
"""

from mmengine.config import read_base

from posekit.inference.stages import FirstStage

with read_base():
    from .._base_.upright_by_eyes import *
    from .cnn6_300w_64x64_wing import *

_first = dict(
    type=FirstStage,
    model="configs/faces/cnn6_300w_64x64_wing.py",
    checkpoint="work_dirs/cnn6_300w_64x64_wing/best_NME_inter_ocular.pth",
)
train_dataloader["dataset"].update(upright=_upright)
train_dataloader["dataset"]["augment"].update(rotation=10)
val_dataloader["dataset"].update(upright=_upright, first_stage=_first)
test_dataloader["dataset"].update(upright=_upright, first_stage=_first)
