"""A person finder of 4 MB (in half precision) for any CPU, from ImageNet's MobileNetV2, on everyday photos.

    python tools/train_detector.py configs/detector/finder_mobilenetv2_320.py
    python tools/detect.py photos/ --out detections.json \
        --weights work_dirs/finder_mobilenetv2_320/best_AP50.pth

Data, below ``data_root``: two folders of COCO photos with their official annotations; ``teacher_photos`` and
``lsp_extended``, photos of mostly one person, with ``boxes.json`` in COCO's form. There a public detector's
boxes complete the labels: people it is sure of (score 0.5) are people, regions it is unsure of (from 0.1)
have ``iscrowd`` and count as neither person nor background. ``nobody`` holds photos without people (rooms,
animals, things), with a ``nobody.json`` whose ``annotations`` are empty. Validated on COCO
photos that are not trained on.
"""

from mmengine.config import read_base

from posekit.datasets.sampler import EpochSampler
from posekit.datasets.several import MixedDataset
from posekit.detection.canvas import PeopleCanvas
from posekit.detection.dataset import PeopleImages, collate
from posekit.detection.finder import CentreDetector
from posekit.detection.training import BoxAPMetric
from posekit.models.pretrained import PretrainedFile
from posekit.transforms import Pixels

with read_base():
    from .._base_.runtime import *
    from .._base_.schedules.one_cycle import *

data_root = "data"

model = dict(
    type=CentreDetector,
    network="mobilenetv2_100",
    pretrained=dict(
        type=PretrainedFile,
        path="data/weights/mobilenet_v2-b0353104.pth",
        sha256="b0353104",
        source="https://download.pytorch.org/models/",
        strict=True,
    ),
    input_size=320,
    width=56,
    # What is as fine as this ImageNet has taught; it takes a third of a step's time.
    frozen=tuple(f"backbone.backbone.{part}." for part in ("conv_stem", "bn1", "blocks.0", "blocks.1")),
)
_photos = dict(type=PeopleImages, flip_prob=0.5)
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    collate_fn=dict(type=collate),
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(
        type=PeopleCanvas,
        size_hw=(320, 320),
        # People of a COCO photo are small, those of the other sets fill theirs: as small they are in a grid.
        grids={1: 0.4, 2: 0.35, 3: 0.15, 4: 0.1},
        scale=(0.8, 2.2),
        pixels=dict(type=Pixels, blur_prob=0.1, motion_prob=0, erase_prob=0, occlude_prob=0),
        dataset=dict(
            type=MixedDataset,
            size=1000,
            ratios=dict(coco=3, tiny_coco=3, everyday=3, sports=3, nobody=4),
            datasets=dict(
                coco=dict(
                    **_photos,
                    ann_file="coco/annotations/person_keypoints_train2017.json",
                    image_dir="coco/train2017",
                ),
                tiny_coco=dict(
                    **_photos,
                    ann_file="tiny_coco/annotations/person_keypoints_train2017.json",
                    image_dir="tiny_coco/train2017",
                ),
                everyday=dict(
                    **_photos,
                    ann_file="teacher_photos/boxes.json",
                    image_dir="teacher_photos/images",
                ),
                sports=dict(
                    **_photos,
                    ann_file="lsp_extended/boxes.json",
                    image_dir="lsp_extended/images",
                ),
                nobody=dict(**_photos, ann_file="nobody/nobody.json", image_dir="nobody/images", nobody=True),
            ),
        ),
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    collate_fn=dict(type=collate),
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=PeopleImages,
        ann_file="tiny_coco/annotations/person_keypoints_val2017.json",
        image_dir="tiny_coco/val2017",
    ),
)
val_evaluator = [dict(type=BoxAPMetric)]

train_cfg.update(max_epochs=30)
optim_wrapper["optimizer"].update(lr=2e-3, weight_decay=1e-3)
optim_wrapper["clip_grad"] = dict(max_norm=10)
default_hooks["checkpoint"].update(save_best="AP50", max_keep_ckpts=30)
# An average over some 250 steps, of 1,260.
default_hooks["ema"] = dict(momentum=0.004, warmup=100)
