"""Rendered faces in MTFL's form, and a small multi-task training on them.

A face looks to one side (pose), is bright or dark (gender), and has a bar over its eyes or not (glasses);
smile is drawn at random, so that it can only be learnt by heart.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

HEADER = ",".join(["image", *(f"{a}{k}" for k in range(5) for a in "xy"), "gender,smile,glasses,pose"])
CONFIG = """
from torch.optim import SGD

from posekit.datasets.faces.mtfl import load_mtfl
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import AttributeMetric, NMEMetric
from posekit.models import TCDCN, AttributeHead, CoordinateHead, L2Loss, MultiHead, PoseEstimator
from posekit.transforms import Augment, Crop

skeleton = "mtfl5"
data_root = "{data}"
model = dict(
    type=PoseEstimator,
    backbone=dict(type=TCDCN),
    head=dict(
        type=MultiHead,
        heads=dict(
            landmarks=dict(type=CoordinateHead, loss=dict(type=L2Loss), loss_unit=40),
            smile=dict(type=AttributeHead, column="smile", classes=2),
            pose=dict(type=AttributeHead, column="pose", classes=5, flip_pairs=[(1, 5), (2, 4)]),
        ),
        weights=dict(smile=0.1, pose=0.3),
    ),
    channel_order="grey",
    normalisation="per_image",
)
_crop = dict(type=Crop, input_size_hw=(40, 40), padding=2.0)


def _source(part):
    return dict(type=load_mtfl, ann_file=f"{{part}}/labels.csv", image_dir=f"{{part}}/images")


train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(
        type=TopDownDataset, source=_source("train"), crop=_crop, augment=dict(type=Augment, rotation=10,
        scale=0.1)
    ),
)
val_dataloader = dict(
    batch_size=4, num_workers=0, dataset=dict(type=TopDownDataset, source=_source("test"), crop=_crop)
)
test_dataloader = val_dataloader
val_evaluator = [
    dict(type=NMEMetric, norm="inter_pupil"), dict(type=AttributeMetric, attributes=["smile", "pose"],
    matrix=True)
]
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(type=SGD, lr=0.01, momentum=0.9, weight_decay=5e-4))
train_cfg = dict(max_epochs=4, val_interval=2)
default_hooks = dict(
    logger=dict(interval=2),
    curves=None,
    checkpoint=dict(save_best="NME/inter_pupil"),
    task_stopping=dict(main="landmarks", threshold=-1e300, last=3),
)
"""


def write_faces(folder: Path, train: int = 10, test: int = 6) -> Path:
    """Writes ``train`` and ``test`` parts; returns their folder."""
    rng = np.random.default_rng(0)
    for part, count in (("train", train), ("test", test)):
        (folder / part / "images").mkdir(parents=True)
        rows = [HEADER]
        for number in range(count):
            gender, smile, glasses = rng.integers(1, 3, 3)
            pose = int(rng.integers(1, 6))
            image, points = face(rng, gender, glasses, pose)
            assert cv2.imwrite(str(folder / part / "images" / f"{number}.png"), image)
            numbers = ",".join(f"{value:.2f}" for value in points.ravel())
            rows.append(f"{number}.png,{numbers},{gender},{'' if number == 1 else smile},{glasses},{pose}")
        (folder / part / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def face(rng, gender: int, glasses: int, pose: int) -> tuple[np.ndarray, np.ndarray]:
    """An image uint8 (64, 64, 3) and five points (5, 2)."""
    image = rng.integers(0, 30, (64, 64, 3)).astype(np.uint8)
    middle, turn = 32 + rng.uniform(-3, 3, 2), 3 * (pose - 3)
    cv2.ellipse(
        image, tuple(int(v) for v in middle), (18, 22), 0, 0, 360, (200 if gender == 1 else 110,) * 3, -1
    )
    places = np.array([(-9, -7), (9, -7), (0, 2), (-7, 11), (7, 11)], float) + middle
    places[:, 0] += turn * np.array([0.5, 0.5, 1.5, 0.5, 0.5])
    for x, y in places:
        cv2.circle(image, (int(x), int(y)), 2, (30, 30, 30), -1)
    if glasses == 1:
        cv2.line(image, tuple(int(v) for v in places[0]), tuple(int(v) for v in places[1]), (0, 0, 0), 1)
    return image, places


def write_config(folder: Path, data: Path) -> Path:
    """The config ``faces.py`` of a training on ``data``."""
    path = Path(folder) / "faces.py"
    path.write_text(CONFIG.format(data=data))
    return path


def build(folder: Path, data: Path, options=None, work_dir="work", **entries):
    """A runner for it, with some entries set."""
    from posekit.engine.configs.config import load_config
    from posekit.engine.runner import PoseRunner

    cfg = load_config(write_config(folder, data), options)
    cfg.work_dir = str(Path(folder) / work_dir)
    for key, value in entries.items():
        cfg[key] = value
    return PoseRunner.from_cfg(cfg)
