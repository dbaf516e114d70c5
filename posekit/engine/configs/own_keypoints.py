"""The config of one's own keypoints: the bundled network, all but its last layer already trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from posekit.engine.configs.dump import config_text
from posekit.errors import ConfigError
from posekit.structures import Skeleton

BUNDLED = "mobilenetv2_lsp14_160x160"
DIVISOR = 32
#: People that a training of the default length sees, and the epochs that it has at least and at most.
_SEEN, _FEWEST, _MOST = 800, 8, 60
_BATCH, _LARGE_BATCH = 8, 32
# From so many people on, batches are larger and loaded by processes of their own.
_MANY = 500

_TEXT = '''"""{name}: {count} keypoints, {train} objects to train on. By tools/new_dataset.py; yours to edit.

It starts from the weights that come with posekit (14 joints of people): backbone and decoder are theirs, the
last layer is new. Best checkpoint: by PCK within {threshold} of the box's longer side on the validation
pictures, which are the test pictures as well. OKS uses the sigmas below: {sigmas}.

    {command}
"""

from mmengine.optim import OneCycleLR, OptimWrapper
from torch.optim import AdamW

from posekit.codecs import UDPCodec
from posekit.datasets.coco import load_coco
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import OKSMetric, PCKMetric
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.losses import FocalMSELoss
from posekit.models.timm_backbone import TimmBackbone
from posekit.transforms import Augment, Crop

_here = __file__.replace("\\\\", "/").rpartition("/")[0]
data_root = _here
work_dir = f"{{_here}}/work_dir"
load_from = "{load_from}"  # None: from random weights

{skeleton}
_images = {images!r}
_crop = dict(type=Crop, input_size_hw={size}, padding=1.25, convention="udp")
train_dataloader = dict(
    batch_size={batch},
    num_workers={workers},
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_coco, ann_file="train.json", image_dir=_images),
        crop=_crop,
        # Mirrored pictures need flip_pairs, or points that are their own mirror image.
        augment=dict(type=Augment, flip_prob={flip_prob}, rotation=30, scale=(0.75, 1.25)),
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers={workers},
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_coco, ann_file="val.json", image_dir=_images),
        crop=_crop,
    ),
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type=PCKMetric, threshold={threshold}, norm="bbox"),
    dict(type=PCKMetric, threshold=0.2, norm="bbox"),
    dict(type=OKSMetric),
]
test_evaluator = val_evaluator

model = dict(
    type=PoseEstimator,
    backbone=dict(type=TimmBackbone, name="mobilenetv2_100", decoder="pyramid", pretrained=False),
    head=dict(
        type=HeatmapHead,
        codec=dict(type=UDPCodec, sigma=1.5),
        loss=dict(type=FocalMSELoss, gamma=1, delta=0.1),
    ),
    channels_last=True,
    flip_test={flip_test},
)

train_cfg = dict(max_epochs={epochs}, val_interval=1)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=AdamW, lr=2e-3, weight_decay=1e-4))
param_scheduler = [dict(type=OneCycleLR, eta_max=2e-3, by_epoch=True, convert_to_iter_based=True)]
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(interval=1, max_keep_ckpts=1, save_best="{best}"),
    curves=dict(pause=120),  # drawing them takes as long as half an epoch
)
randomness = dict(seed={seed}, deterministic=False)
'''
_THRESHOLD = 0.05
BEST = f"PCK@{_THRESHOLD:g}/mean"


class OwnTraining(NamedTuple):
    """What a config of one's own keypoints states beside the skeleton.

    Attributes:
        train: People to train on.
        images: The pictures' folder: absolute, or from the config's own.
        mirrored: Whether pictures may be mirrored.
        sigmas_from: The sigmas' origin, in words.
        input_size_hw: Of the network.
        epochs: None: by the number of people.
        seed: Of the training.
        command: That starts it.
    """

    train: int
    images: str
    mirrored: bool
    sigmas_from: str
    input_size_hw: tuple[int, int]
    epochs: int | None
    seed: int
    command: str


def own_config(skeleton: Skeleton, training: OwnTraining) -> str:
    """The text of the config file.

    Raises:
        ConfigError: On an input size that the network cannot halve five times, or no epochs.
    """
    check_sizes(training.input_size_hw, training.epochs)
    workers = 2 if training.train >= _MANY else 0
    stated = {key: value for key, value in skeleton.to_dict().items() if key != "upper_body"}
    return _TEXT.format(
        name=skeleton.name,
        count=skeleton.num_keypoints,
        train=training.train,
        sigmas=training.sigmas_from.split(";")[0],
        command=training.command,
        load_from=BUNDLED,
        skeleton=config_text({"skeleton": stated}),
        images=training.images,
        size=training.input_size_hw,
        batch=_LARGE_BATCH if training.train >= _MANY else _BATCH,
        workers=workers,
        flip_prob=0.5 if training.mirrored else 0.0,
        threshold=_THRESHOLD,
        flip_test=training.mirrored,
        epochs=training.epochs or epochs_for(training.train),
        best=BEST,
        seed=training.seed,
    )


def check_sizes(input_size_hw: Sequence[int], epochs: int | None) -> None:
    """Raises ConfigError on what :func:`own_config` cannot write."""
    if any(side < 2 * DIVISOR or side % DIVISOR for side in input_size_hw):
        raise ConfigError(
            f"--input-size: expected multiples of {DIVISOR} from {2 * DIVISOR} on, found "
            f"{tuple(input_size_hw)}"
        )
    if epochs is not None and epochs < 1:
        raise ConfigError(f"--epochs: expected at least 1, found {epochs}")


def epochs_for(people: int) -> int:
    """Epochs that take a laptop a minute or two; for thousands of people a few more minutes."""
    return min(max(round(_SEEN / max(people, 1)), _FEWEST), _MOST)
