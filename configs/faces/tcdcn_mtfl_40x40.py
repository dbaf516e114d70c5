"""MTFL: the multi-task network (79,357 parameters), 40x40 grey, 5 points, 4 attributes stopped one by one.

Zhang et al., ECCV 2014: half the squared error of coordinates / 40, weight 1; cross entropies of gender,
smile and glasses, weight 0.1, of pose 0.3. Batch, rate and weight decay are those of an independent port of
the paper; momentum is ours. The paper does not state the threshold of the stopping. Then the landmarks are
fine-tuned: tcdcn_mtfl_40x40_finetune.py; without attributes: tcdcn_mtfl_40x40_landmarks.py.
Cost: 40 minutes of one CPU core, by the rate of its first epochs; it has not been trained to its end.

    python tools/train.py configs/faces/tcdcn_mtfl_40x40.py
"""

from mmengine.config import read_base
from mmengine.optim import OptimWrapper
from torch.optim import SGD

from posekit.models import TCDCN, AttributeHead, CoordinateHead, L2Loss, MultiHead, PoseEstimator

with read_base():
    from .._base_.datasets.mtfl_40x40 import *

model = dict(
    type=PoseEstimator,
    backbone=dict(type=TCDCN, variant="eccv2014"),
    head=dict(
        type=MultiHead,
        heads=dict(
            landmarks=dict(type=CoordinateHead, loss=dict(type=L2Loss), loss_unit=40),
            gender=dict(type=AttributeHead, column="gender", classes=2),
            smile=dict(type=AttributeHead, column="smile", classes=2),
            glasses=dict(type=AttributeHead, column="glasses", classes=2),
            pose=dict(type=AttributeHead, column="pose", classes=5, flip_pairs=[(1, 5), (2, 4)]),
        ),
        weights=dict(landmarks=1.0, gender=0.1, smile=0.1, glasses=0.1, pose=0.3),
    ),
    channel_order="grey",
    normalisation="per_image",
    channels_last=True,
)
train_cfg = dict(max_epochs=80, val_interval=4)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.003, momentum=0.9, weight_decay=5e-4))
param_scheduler: list = []  # the rate is fixed
auto_scale_lr = dict(base_batch_size=128)
default_hooks["task_stopping"] = dict(main="landmarks", threshold=100.0, mode="each", last=5, interval=1)
