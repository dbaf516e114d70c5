"""Poses to draw: a config's network with a checkpoint's weights, and what it predicts of some people."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from posekit.errors import ConfigError
from posekit.structures import Pose, Sample
from posekit.visualization.cases import pose_error


def build_network(cfg: Any, config_path: str, device: str = "cpu") -> Any:
    """A config's network in test mode, without the weights it starts its training from.

    Args:
        cfg: The config.
        config_path: For messages.
        device: "meta" for one without memory, where only the size of its maps is asked for.

    Raises:
        ConfigError: If its model is no network of one person's crops, or cannot be built.
    """
    import torch

    from posekit.engine.startup import faults_of
    from posekit.models.pretrained import starting_later
    from posekit.registry import MODELS

    spec = dict(cfg.model)
    if not hasattr(spec.get("type"), "stages"):
        raise ConfigError(
            f"config {config_path}: its model is no heatmap network, there are no targets to show"
        )
    with faults_of("model", config_path), torch.device(device), starting_later():
        built = MODELS.build(spec).eval()
    if getattr(built, "whole_pictures", False):
        raise ConfigError(
            f"config {config_path}: its network finds the people of whole pictures; only crops of one person "
            "can be shown so. tools/demo.py draws what it finds"
        )
    return built


def load_network(cfg: Any, config_path: str, checkpoint: str) -> Any:
    """A config's network with the weights of a checkpoint, on the GPU if there is one; says what it loaded.

    Raises:
        ConfigError: See :func:`build_network`.
        CheckpointError: If the checkpoint is damaged or another network's.
    """
    import torch

    from posekit.models.released import load_into

    model = build_network(cfg, config_path)
    print(f"weights: {checkpoint} ({load_into(model, checkpoint)})")
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def split_dataset(cfg: Any, config_path: str, split: str) -> tuple[Any, Any]:
    """The data set of a config's ``<split>_dataloader``, without augmentation, and the loader's settings.

    Raises:
        ConfigError: If the config has no such loader, or its data set cannot be built.
    """
    from posekit.engine.startup import faults_of
    from posekit.registry import DATASETS

    loader = cfg.get(f"{split}_dataloader")
    if loader is None:
        raise ConfigError(f"config {config_path}: there is no '{split}_dataloader'")
    with faults_of(f"{split}_dataloader", config_path):
        dataset = DATASETS.build(loader["dataset"])
    dataset.augment = dataset.pixels = None  # a mirrored crop's left knee is the image's right one
    return dataset, loader


def predict_people(
    model: Any, dataset: Any, loader: Mapping[str, Any], rows: Sequence[int] | None = None
) -> list[Pose]:
    """Predicts people of a data set in batches, with the time left on stderr.

    Args:
        model: See :func:`load_network`.
        dataset: A ``TopDownDataset``, without augmentation.
        loader: The config's data loader: its ``batch_size`` and ``num_workers`` are used.
        rows: Which people; by default all.
    """
    import torch
    from torch.utils.data import Subset

    if rows is not None:
        dataset, loader = Subset(dataset, list(rows)), {**loader, "num_workers": 0}
    device = next(model.parameters()).device
    with torch.no_grad():
        return [
            pose
            for sample in batches(dataset, loader, device, with_truth=False)
            for pose in model(*sample, mode="predict")
        ]


def batches(people: Any, loader: Mapping[str, Any], device: Any, with_truth: bool) -> Iterator[Sample]:
    """A data set's people in batches, on a device, with the time left on stderr.

    Args:
        people: A ``TopDownDataset``, or a part of one.
        loader: The config's data loader: its ``batch_size`` and ``num_workers`` are used.
        device: Of the network.
        with_truth: Whether keypoints and weights are needed there too, beside the images.
    """
    from torch.utils.data import DataLoader

    from posekit.models.transfer import on_device

    size, workers = loader.get("batch_size", 32), loader.get("num_workers", 0)
    started = told = time.monotonic()
    for number, batch in enumerate(DataLoader(people, batch_size=size, num_workers=workers)):
        yield on_device(batch, device, training=with_truth)
        done, now = min((number + 1) * size, len(people)), time.monotonic()
        if now - told > 10:
            told = now
            left = (now - started) * (len(people) / done - 1)
            print(f"{done} of {len(people)} people, {left:.0f} s left", file=sys.stderr)


def evaluator_norm(cfg: Any, dataset: Any, split: str) -> tuple[str, dict[int, float] | None]:
    """What to measure errors by: what the config's evaluator does; for OKS also the people's areas.

    Returns:
        A norm of :func:`~posekit.visualization.pose_error`, and person id -> area in square pixels or None.
    """
    from posekit.metrics.crowdpose import read_crowdpose
    from posekit.metrics.evaluators import CrowdPoseMetric, OKSMetric, PCKhMetric, PCKMetric
    from posekit.metrics.ground_truth import read_coco

    table = dataset.table
    stage = split if cfg.get(f"{split}_evaluator") else "val"
    evaluators = cfg.get(f"{stage}_evaluator") or []
    for part in evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]:
        kind = part.get("type")
        if not isinstance(kind, type):
            continue
        if issubclass(kind, OKSMetric) and table.skeleton.sigmas:
            read = read_crowdpose if issubclass(kind, CrowdPoseMetric) else read_coco
            people = read(table.ann_file, np.unique(table.image_ids))
            return "oks", dict(zip(people.annotation_ids.tolist(), people.truth.areas.tolist(), strict=True))
        if issubclass(kind, PCKhMetric):
            return "head", None
        if issubclass(kind, PCKMetric):
            return part.get("norm", "torso").replace("bbox", "box"), None
    return "box", None


def measurable_rows(dataset: Any, count: int, norm: str) -> list[int]:
    """At most ``count`` people evenly through a data set whose errors can be measured, ascending.

    Where a person has no such size (LSP people without a torso), the next one that has takes the place. Of a
    data set without any ground truth anybody will do.

    Args:
        dataset: A ``TopDownDataset``.
        count: How many.
        norm: See :func:`~posekit.visualization.pose_error`.
    """
    total = len(dataset)
    starts = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int)).tolist()
    chosen: list[int] = []
    for start in starts:
        free = (row for row in range(start, total) if not chosen or row > chosen[-1])
        row = next((row for row in free if _measurable(dataset, row, norm)), None)
        chosen += [] if row is None else [row]
    return chosen or starts


def _measurable(dataset: Any, row: int, norm: str) -> bool:
    """Whether a perfect prediction would have an error: its own truth tells."""
    record = dataset.table[row]
    perfect = Pose(record.keypoints, np.ones(len(record.keypoints), np.float32), record.box_xyxy)
    return bool(np.isfinite(pose_error(record, perfect, norm, dataset.table.skeleton)))
