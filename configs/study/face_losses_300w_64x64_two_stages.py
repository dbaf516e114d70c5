"""The face-loss study: the paper's pair of networks, two CNN-6, of which the first corrects the crops.

As face_losses_300w_64x64.py, which trains the first network: cell ``wing:s0`` of the study. This trains the
second on crops that the labels correct; the first corrects those of validation and test.

    python tools/gamma_sweep.py configs/study/face_losses_300w_64x64.py --out work_dirs/face_losses --jobs 1 \
        --variants two-stages=configs/study/face_losses_300w_64x64_two_stages.py --cells two-stages:s{0,1}
"""

from mmengine.config import read_base

from posekit.inference.stages import FirstStage

with read_base():
    from .._base_.upright_by_eyes import *
    from .face_losses_300w_64x64 import *

_first = dict(
    type=FirstStage,
    model="configs/study/face_losses_300w_64x64.py",
    checkpoint="work_dirs/face_losses/cells/wing_s0/best_NME_inter_ocular.pth",
)
train_dataloader["dataset"].update(upright=_upright)
train_dataloader["dataset"]["augment"].update(rotation=10)
val_dataloader["dataset"].update(upright=_upright, first_stage=_first)
test_dataloader["dataset"].update(upright=_upright, first_stage=_first)
