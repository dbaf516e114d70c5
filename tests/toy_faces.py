"""Small faces in a csv, and configs of one stage and of two with networks that need no training."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from posekit.engine.checkpoints.files import write_checkpoint
from posekit.engine.configs.config import load_config
from posekit.inference.bundle import build_estimator
from posekit.models.estimator import PoseEstimator

FACES = 5
ONE = """
from posekit.datasets.faces.text_files import load_face_csv
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import NMEMetric
from posekit.models import CoordinateHead, FaceCNN, PoseEstimator, WingLoss
from posekit.transforms import Crop

skeleton = "mtfl5"
model = dict(
    type=PoseEstimator,
    backbone=dict(type=FaceCNN, variant="cnn6"),
    head=dict(type=CoordinateHead, loss=dict(type=WingLoss)),
)
test_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(
        type=TopDownDataset,
        source=dict(type=load_face_csv, ann_file="faces.csv", image_dir=".", data_root="{root}"),
        crop=dict(type=Crop, input_size_hw=(64, 64), convention="udp"),
    ),
)
test_evaluator = [dict(type=NMEMetric, norm=("right_eye", "left_eye"))]
"""
TWO = (
    ONE
    + """
from posekit.inference.stages import FirstStage
from posekit.transforms import Line, Upright

test_dataloader["dataset"].update(
    upright=dict(type=Upright, turn=dict(type=Line, start=["right_eye"], end=["left_eye"]), margin=0.2),
    first_stage=dict(type=FirstStage, model="{root}/one.py", checkpoint="{root}/one.pth"),
)
"""
)
# Where the networks think the points are, whatever they see: fractions of their input.
FIRST = ((0.3, 0.5), (0.6, 0.3), (0.5, 0.6), (0.5, 0.8), (0.8, 0.7))
SECOND = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))


def write(root: Path) -> Path:
    """Pictures of noise, ``faces.csv``, ``one.py`` and ``two.py`` with their checkpoints."""
    rng = np.random.default_rng(0)
    rows = ["image," + ",".join(f"x{i},y{i}" for i in range(5))]
    for number in range(FACES):
        noise = cv2.resize(rng.integers(0, 256, (9, 8, 3), np.uint8), (80, 90))
        assert cv2.imwrite(str(root / f"{number}.png"), noise)
        points = np.array([[25, 35], [50, 33], [38, 48], [28, 60], [48, 61]]) + rng.uniform(-3, 3, (5, 2))
        rows.append(f"{number}.png," + ",".join(f"{value:.2f}" for value in points.ravel()))
    (root / "faces.csv").write_text("\n".join(rows) + "\n")
    for name, text, places in (("one", ONE, FIRST), ("two", TWO, SECOND)):
        (root / f"{name}.py").write_text(text.replace("{root}", str(root)))
        network = network_of(root / f"{name}.py", places)
        write_checkpoint({"state_dict": network.state_dict()}, root / f"{name}.pth")
    return root


def network_of(config: Path, places: tuple[tuple[float, float], ...]) -> PoseEstimator:
    """A network of a config that finds its points about ``places``; the picture moves them a little."""
    torch.manual_seed(len(places))
    network = build_estimator(load_config(config).model.to_dict())
    last = network.head.layers[-1]
    torch.nn.init.normal_(last.weight, std=0.003)
    last.bias.data = torch.tensor(places).flatten()
    return network.eval()
