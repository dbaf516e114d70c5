"""300-W as csv files: 68 points, one face per picture, 64x64 from a square crop of the points' box.

``data/face300w/``: ``helen_train.csv`` and ``afw.csv`` with the folders of their names; elsewhere
``--cfg-options data_root=/your/folder``, which serves every part. 100 of Helen's pictures, by a hash of their
ids, are for validation, AFW is the test: not the official protocol, which needs LFPW and iBUG. With all of
300-W's folders, state ``source=dict(type=load_300w, folders=...)`` in a child (posekit/docs/faces.md).
"""

from mmengine.config import read_base

from posekit.datasets.faces.text_files import load_face_csv
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.split import hashed_split
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import NMEMetric
from posekit.transforms import Augment, Crop

with read_base():
    from ..runtime import *

skeleton = "ibug68"
data_root = "data/face300w"

train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_face_csv, ann_file="helen_train.csv", image_dir="helen_train"),
        subset=dict(type=hashed_split, part="train", num_test=0, num_val=100),
        crop=dict(type=Crop, input_size_hw=(64, 64)),
        augment=dict(type=Augment, flip_prob=0.5, rotation=30, scale=(0.9, 1.1), shift=0.05),
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_face_csv, ann_file="helen_train.csv", image_dir="helen_train"),
        subset=dict(type=hashed_split, part="val", num_test=0, num_val=100),
        crop=dict(type=Crop, input_size_hw=(64, 64)),
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=2,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_face_csv, ann_file="afw.csv", image_dir="afw"),
        crop=dict(type=Crop, input_size_hw=(64, 64)),
    ),
)
val_evaluator = [dict(type=NMEMetric, norm="inter_ocular")]
test_evaluator = [dict(type=NMEMetric, norm="inter_ocular")]
default_hooks["checkpoint"].update(save_best="NME/inter_ocular")
