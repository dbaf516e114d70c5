"""LSP-extended as a COCO-form json: 14 keypoints, one person per image, 256x256 from a square crop.

``data/lsp_extended/train.json`` and ``images/``; elsewhere ``--cfg-options data_root=/your/folder``, which
serves every part. The split is made by hashing the image ids: 500 test, 500 validation, the rest training.
Checkpoints are chosen on validation; the test part is for one final number. Boxes are the joints' own,
widened, so a person fills the crop.
"""

from mmengine.config import read_base

from posekit.datasets.coco import load_coco
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.split import hashed_split
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import PCKMetric
from posekit.transforms import Augment, Crop

with read_base():
    from ..runtime import *

skeleton = "lsp14"
data_root = "data/lsp_extended"

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_coco, ann_file="train.json", image_dir="images"),
        subset=dict(type=hashed_split, part="train"),
        crop=dict(type=Crop, input_size_hw=(256, 256)),
        # Athletes hang, dive and lie: wider rotation than for people who stand.
        augment=dict(type=Augment, flip_prob=0.5, rotation=45, scale=(0.7, 1.3), sampling="uniform"),
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_coco, ann_file="train.json", image_dir="images"),
        subset=dict(type=hashed_split, part="val"),
        crop=dict(type=Crop, input_size_hw=(256, 256)),
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=2,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_coco, ann_file="train.json", image_dir="images"),
        subset=dict(type=hashed_split, part="test"),
        crop=dict(type=Crop, input_size_hw=(256, 256)),
    ),
)
val_evaluator = [dict(type=PCKMetric, threshold=0.2, norm="torso")]
test_evaluator = [dict(type=PCKMetric, threshold=0.2, norm="torso")]
default_hooks["checkpoint"].update(save_best="PCK@0.2/mean12")
