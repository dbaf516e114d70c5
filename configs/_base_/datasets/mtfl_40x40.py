"""MTFL: 5 points and 4 attributes, one face per picture, 40x40 from a square crop of the points' box.

``data/mtfl/``: ``train/`` and ``test/``, each with ``images/`` and ``labels.csv``, columns
image,x0,y0..x4,y4,gender,smile,glasses,pose; elsewhere ``--cfg-options data_root=/your/folder``. Of MTFL as
published: ``source=dict(type=load_mtfl, ann_file="training.txt", image_dir=".")``. Of the training faces,
by a hash of their ids, 1,000 validate, and 1,000 are kept from training and validation for a test of the same
kind (posekit/docs/faces.md); the test are AFLW's faces.
"""

from mmengine.config import read_base

from posekit.datasets.balance import BalancedSampler
from posekit.datasets.faces.mtfl import load_mtfl
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.split import hashed_split
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import AttributeMetric, NMEMetric
from posekit.transforms import Augment, Crop, Pixels

with read_base():
    from ..runtime import *

skeleton = "mtfl5"
data_root = "data/mtfl"

train_dataloader = dict(
    batch_size=128,
    num_workers=2,
    # Views of each face in an epoch, each augmented in its own way.
    sampler=dict(type=BalancedSampler, shuffle=True, copies=4),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_mtfl, ann_file="train/labels.csv", image_dir="train/images"),
        subset=dict(type=hashed_split, part="train", num_test=1000, num_val=1000),
        crop=dict(type=Crop, input_size_hw=(40, 40), padding=2.0),
        # Most of the face stays in view, at times with the collar.
        augment=dict(type=Augment, flip_prob=0.5, rotation=30, scale=(0.85, 1.25), shift=0.1),
        pixels=dict(
            type=Pixels,
            jitter_prob=0,
            grey_prob=0,
            blur_prob=0.2,
            blur_sigma=(0.3, 1.0),
            motion_prob=0,
            noise_prob=0,
            jpeg_prob=0.2,
            jpeg_quality=(40, 90),
            erase_prob=0,
            occlude_prob=0,
        ),
    ),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=2,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_mtfl, ann_file="train/labels.csv", image_dir="train/images"),
        subset=dict(type=hashed_split, part="val", num_test=1000, num_val=1000),
        crop=dict(type=Crop, input_size_hw=(40, 40), padding=2.0),
    ),
)
test_dataloader = dict(
    batch_size=128,
    num_workers=2,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_mtfl, ann_file="test/labels.csv", image_dir="test/images"),
        crop=dict(type=Crop, input_size_hw=(40, 40), padding=2.0),
    ),
)
val_evaluator = [
    dict(type=NMEMetric, norm="inter_pupil", thresholds=(0.1,)),
    dict(type=AttributeMetric, attributes=["gender", "smile", "glasses", "pose"]),
]
test_evaluator = [
    dict(type=NMEMetric, norm="inter_pupil", thresholds=(0.1,)),
    dict(type=AttributeMetric, attributes=["gender", "smile", "glasses", "pose"]),
]
default_hooks["checkpoint"].update(save_best="NME/inter_pupil")
