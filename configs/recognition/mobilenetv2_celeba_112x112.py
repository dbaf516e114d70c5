"""An embedding of faces on a CPU: MobileNetV2 (1.9 M) at 112x112, CosFace, 200 identities, 20 epochs.

``data/celeba_id`` as ``labels.csv`` (``image,identity,x0,y0 .. x4,y4``) and ``images/``. The identities are
split by hashing their names: 25 test, 25 validation, the other 200 train; no identity is in two parts. Faces
are aligned by their five points. Checkpoints are chosen by verification on all pairs of the validation part.
200 identities teach how it is done; embeddings that hold for strangers take many thousands.
The backbone starts from torchvision's mobilenet_v2-b0353104.pth; ``--cfg-options
model.backbone.pretrained=False`` starts at random. Read posekit/docs/recognition.md before using any of it.

    python tools/train.py configs/recognition/mobilenetv2_celeba_112x112.py
"""

from mmengine.config import read_base

from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.models.estimator import PoseEstimator
from posekit.models.pretrained import PretrainedFile
from posekit.recognition.alignment import Align
from posekit.recognition.evaluators import IdentificationMetric, VerificationMetric
from posekit.recognition.heads import EmbeddingHead, TimmStages
from posekit.recognition.identities import load_identities
from posekit.recognition.losses import CosFace
from posekit.recognition.sampling import IdentitySampler
from posekit.transforms import Crop, Pixels

with read_base():
    from .._base_.runtime import *
    from .._base_.schedules.one_cycle import *

# posekit.recognition.alignment.FIVE_POINTS; left is the picture's left.
skeleton = dict(
    name="five_points",
    keypoints=["left_eye", "right_eye", "nose", "left_mouth", "right_mouth"],
    flip_pairs=[["left_eye", "right_eye"], ["left_mouth", "right_mouth"]],
    limbs=[["left_eye", "right_eye"], ["left_mouth", "right_mouth"]],
)
data_root = "data/celeba_id"
_people = dict(type=load_identities, ann_file="labels.csv", image_dir="images", num_test=25, num_val=25)
_crop = dict(type=Crop, input_size_hw=(112, 112), convention="udp")
train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    # Identities equally often, whatever they have: 16 with 4 pictures each.
    sampler=dict(type=IdentitySampler, images=4),
    dataset=dict(
        type=TopDownDataset,
        source=dict(_people, part="train"),
        crop=_crop,
        augment=dict(type=Align, flip_prob=0.5, rotation=5, scale=0.05, shift=0.02),
        pixels=dict(type=Pixels, jitter_prob=0.5, grey_prob=0.1, blur_prob=0.1, occlude_prob=0.1),
    ),
)
_scored = dict(batch_size=64, num_workers=2, sampler=dict(type=EpochSampler, shuffle=False))
_aligned = dict(type=TopDownDataset, crop=_crop, augment=dict(type=Align))
val_dataloader = dict(_scored, dataset=dict(_aligned, source=dict(_people, part="val")))
test_dataloader = dict(_scored, dataset=dict(_aligned, source=dict(_people, part="test")))
val_evaluator = test_evaluator = [dict(type=VerificationMetric), dict(type=IdentificationMetric)]
model = dict(
    type=PoseEstimator,
    backbone=dict(
        type=TimmStages,
        name="mobilenetv2_100",
        options=dict(output_stride=16),
        pretrained=dict(
            type=PretrainedFile,
            path="data/weights/mobilenet_v2-b0353104.pth",
            sha256="b0353104",
            source="https://download.pytorch.org/models/",
        ),
    ),
    head=dict(
        type=EmbeddingHead,
        dim=128,
        classes=200,
        map_size_hw=(7, 7),
        dropout=0.2,
        losses=dict(identification=dict(type=CosFace, scale=30.0, margin=0.2)),
    ),
    # The embeddings of a face and of its mirror image are averaged.
    flip_test=True,
)
auto_scale_lr.update(base_batch_size=64)
default_hooks["checkpoint"].update(save_best="AUC")
