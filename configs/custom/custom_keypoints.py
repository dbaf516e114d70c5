"""Your own keypoints in COCO form: copy this file, state the skeleton and the file names, nothing else.

The number of keypoints, their order, their names, sides and sigmas follow from ``skeleton`` alone: the
network's outputs, the flip test, the metrics and the pictures read it. Without ``sigmas`` OKS cannot be
computed; PCK by the box needs none.

    python tools/train.py configs/custom/custom_keypoints.py --cfg-options data_root=data/my_horses
"""

from mmengine.config import read_base

from posekit.metrics.evaluators import PCKMetric

with read_base():
    from .._base_.datasets.coco_256x192 import *
    from .._base_.models.hrnet import *
    from .._base_.schedules.short import *

skeleton = dict(
    name="horse6",
    # In the order of the annotation file.
    keypoints=["nose", "withers", "left_front_hoof", "right_front_hoof", "left_back_hoof", "right_back_hoof"],
    # What changes places in a mirrored image.
    flip_pairs=[("left_front_hoof", "right_front_hoof"), ("left_back_hoof", "right_back_hoof")],
    # Lines in pictures.
    limbs=[
        ("nose", "withers"),
        ("withers", "left_front_hoof"),
        ("withers", "right_front_hoof"),
        ("withers", "left_back_hoof"),
        ("withers", "right_back_hoof"),
    ],
)
data_root = "data/custom"
train_dataloader["dataset"]["source"].update(ann_file="train.json", image_dir="images")
# No half-body crops: they need the skeleton's `upper_body`.
train_dataloader["dataset"]["augment"].update(half_body_prob=0.0)
for _loader in (val_dataloader, test_dataloader):
    _loader["dataset"]["source"].update(ann_file="val.json", image_dir="images")
test_dataloader["dataset"]["source"].update(detections=None)
val_evaluator = [dict(type=PCKMetric, threshold=0.2, norm="bbox")]
test_evaluator = [dict(type=PCKMetric, threshold=0.2, norm="bbox")]
default_hooks["checkpoint"].update(save_best="PCK@0.2/mean")
