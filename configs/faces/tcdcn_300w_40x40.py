"""300-W: 68 points by the multi-task network, 40x40 grey, its first three layers from a training on 5.

The fourth convolution, the fully connected layer and the landmarks begin anew. To keep the three as they are,
``--cfg-options model.frozen="('backbone.conv1.','backbone.conv2.','backbone.conv3.')"``.

    python tools/train.py configs/faces/tcdcn_mtfl_40x40.py
    python tools/train.py configs/faces/tcdcn_300w_40x40.py
"""

from mmengine.config import read_base

from posekit.models import TCDCN, CoordinateHead, L2Loss, PoseEstimator
from posekit.models.pretrained import PretrainedFile

with read_base():
    from .._base_.datasets.face300w_64x64 import *
    from .._base_.schedules.one_cycle import *

for _loader in (train_dataloader, val_dataloader, test_dataloader):
    _loader["dataset"]["crop"].update(input_size_hw=(40, 40))
model = dict(
    type=PoseEstimator,
    backbone=dict(
        type=TCDCN,
        variant="eccv2014",
        pretrained=dict(
            type=PretrainedFile,
            path="work_dirs/tcdcn_mtfl_40x40/best_NME_inter_pupil.pth",
            parts=["conv1.", "conv2.", "conv3."],
            strict=True,
        ),
    ),
    head=dict(type=CoordinateHead, loss=dict(type=L2Loss), loss_unit=40),
    channel_order="grey",
    normalisation="per_image",
    channels_last=True,
)
train_cfg.update(max_epochs=120, val_interval=10)
train_dataloader["batch_size"] = auto_scale_lr["base_batch_size"] = 32
