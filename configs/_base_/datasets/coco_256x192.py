"""COCO keypoints 2017: 17 keypoints, 149,813 people to train, 256x192 (height x width).

The usual layout under ``data/coco``: ``annotations/``, ``train2017/``, ``val2017/`` and, for the test,
``person_detection_results/COCO_val2017_detections_AP_H_56_person.json`` (the HRNet release's Faster R-CNN
boxes). Elsewhere: ``--cfg-options data_root=/your/folder``, which serves every part. Validation during
training uses ground-truth boxes; so does the test with ``test_dataloader.dataset.source.detections=None``.
Augmentation, rescoring and OKS-NMS (0.9) are the HRNet release's.
"""

from mmengine.config import read_base

from posekit.datasets.coco import load_coco
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import OKSMetric
from posekit.transforms import Augment, Crop

with read_base():
    from ..runtime import *

skeleton = "coco17"
data_root = "data/coco"

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(
        type=TopDownDataset,
        source=dict(
            type=load_coco, ann_file="annotations/person_keypoints_train2017.json", image_dir="train2017"
        ),
        crop=dict(type=Crop, input_size_hw=(256, 192)),
        augment=dict(
            type=Augment,
            flip_prob=0.5,
            rotation=45,
            rotation_prob=0.6,
            scale=0.35,
            sampling="clipped_normal",
            half_body_prob=0.3,
            half_body_min_keypoints=8,
        ),
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(
            type=load_coco, ann_file="annotations/person_keypoints_val2017.json", image_dir="val2017"
        ),
        crop=dict(type=Crop, input_size_hw=(256, 192)),
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(
            type=load_coco,
            ann_file="annotations/person_keypoints_val2017.json",
            image_dir="val2017",
            detections="person_detection_results/COCO_val2017_detections_AP_H_56_person.json",
        ),
        crop=dict(type=Crop, input_size_hw=(256, 192)),
    ),
)
val_evaluator = [dict(type=OKSMetric)]
test_evaluator = [dict(type=OKSMetric)]
default_hooks["checkpoint"].update(save_best="AP")
