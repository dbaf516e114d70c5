"""A small person detector on posekit's rendered groups, from random weights, sized for a CPU.

    python -m posekit.synthetic --out data/posekit_groups --people 5 --train 800 --val 200
    python tools/train_detector.py configs/detector/people_fasterrcnn.py
    python tools/detect.py data/posekit_groups/annotations/person_keypoints_val.json \
        --image-dir data/posekit_groups/images/val --out detections.json \
        --weights work_dirs/people_fasterrcnn/best_AP.pth

Expected: box AP .508, AP50 .920 on the 200 validation pictures (seed 0).
Cost: 100 steps an epoch, about 1.4 s each on one CPU core: half an hour.
On your own data: data_root, file names, and weights=True to start from torchvision's COCO weights (then with
a tenth of the learning rate).
"""

from mmengine.config import read_base

from posekit.datasets.sampler import EpochSampler
from posekit.detection.dataset import PeopleImages, collate
from posekit.detection.training import BoxAPMetric, PersonFasterRCNN

with read_base():
    from .._base_.runtime import *
    from .._base_.schedules.one_cycle import *

data_root = "data/posekit_groups"

model = dict(
    type=PersonFasterRCNN,
    network="fasterrcnn_mobilenet_v3_large_320_fpn",
    weights=None,
    # The pictures are 260 to 400 pixels; half of that tells people apart and costs a quarter. All are padded
    # to squares: a network this small, trained from random weights, minds where an image ends.
    input_size=(192, 256, 256),
    # torchvision's 512 proposals an image would make a CPU's step five times as long.
    boxes_per_image=32,
)
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    collate_fn=dict(type=collate),
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(
        type=PeopleImages,
        ann_file="annotations/person_keypoints_train.json",
        image_dir="images/train",
        flip_prob=0.5,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    collate_fn=dict(type=collate),
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=PeopleImages,
        ann_file="annotations/person_keypoints_val.json",
        image_dir="images/val",
    ),
)
val_evaluator = [dict(type=BoxAPMetric)]

train_cfg.update(max_epochs=12, val_interval=3)
optim_wrapper["optimizer"].update(lr=1e-3)
auto_scale_lr.update(base_batch_size=8)
# Proposals of an untrained network give now and then a gradient that would throw it far off.
optim_wrapper["clip_grad"] = dict(max_norm=10)
param_scheduler[0].update(eta_max=1e-3)
default_hooks["checkpoint"].update(save_best="AP")
