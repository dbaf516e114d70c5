"""Exported files (:mod:`posekit.inference.export`) read back: as a network, or in a config's place."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from posekit.errors import CheckpointError, ConfigError
from posekit.inference.bundle import check_card
from posekit.io.onnx_files import CARD, open_session, read_card
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.losses import MSELoss
from posekit.models.onnx_backbone import OnnxHeatmaps
from posekit.skeletons import get_skeleton
from posekit.transforms import Crop


def read_exported(path: Path) -> tuple[PoseEstimator, Crop, dict[str, Any]]:
    """An exported file as a network that decodes its heatmaps, its crop, and what else its card says.

    Raises:
        CheckpointError: If the file is none of posekit's, or holds decoded points.
    """
    card = read_card(open_session(path), path)
    if card is None:
        raise CheckpointError(
            f"network {path}: posekit did not export it, so it does not say what its maps are; write a "
            "config with backbone=dict(type=OnnxHeatmaps, path=...), skeleton, head and crop"
        )
    if card.get("decoded"):
        raise CheckpointError(
            f"network {path}: decodes inside, which is for use without posekit; export it without 'decode'"
        )
    try:
        # A stranger's file: its codec may name nothing but what posekit has.
        check_card({"codec": card["codec"]}, f"network {path}")
        head = {"type": "HeatmapHead", "codec": card["codec"], "loss": {"type": "MSELoss"}}
        crop = dict(card["crop"])
        crop["input_size_hw"] = tuple(crop["input_size_hw"])
        estimator = PoseEstimator(
            backbone={"type": OnnxHeatmaps, "path": str(path)},
            head=head,
            skeleton=card["skeleton"],
            flip_test=not card["flip_inside"],
            mean=(0, 0, 0),
            std=(1, 1, 1),
        )
        return estimator, Crop(**crop), card
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"network {path}: its entry '{CARD}' is damaged: {error}") from error


def put_into_config(cfg: Any, path: Path, source: str, no_flip: bool = False) -> None:
    """Has a config test an exported file in place of its own network, with its data, crops and metrics.

    A file that is not posekit's must take what the config's network takes: normalised crops to heatmaps.

    Raises:
        CheckpointError: If the file is damaged or decodes inside.
        ConfigError: If it was exported for other keypoints or another size of the input, or averages with
            the mirror image although ``no_flip`` asks for none.
    """
    crop = cfg.test_dataloader["dataset"].get("crop") or {}
    wanted = tuple(crop.get("input_size_hw") or ())
    if read_card(open_session(path), path) is None:
        cfg.model.backbone = {"type": OnnxHeatmaps, "path": str(path)}
    else:
        estimator, own_crop, card = read_exported(path)
        if no_flip and card["flip_inside"]:
            raise ConfigError(
                f"network {path}: averages with the mirror image inside; export it with --no-flip"
            )
        names, own = estimator.skeleton.keypoints, get_skeleton(cfg.model["skeleton"]).keypoints
        if names != own or own_crop.input_size_hw != wanted:
            raise ConfigError(
                f"network {path}: was exported for {own_crop.input_size_hw} and {len(names)} keypoints, "
                f"config {source} has {wanted} and {len(own)}, or others of these names"
            )
        stated = Crop(**{name: value for name, value in crop.items() if name != "type"})
        crops = [(one.padding, one.convention) for one in (own_crop, stated)]
        if crops[0] != crops[1]:
            where = "test_dataloader.dataset.crop"
            raise ConfigError(
                f"network {path}: was exported for crops of padding {own_crop.padding:g} by "
                f"{own_crop.convention}, config {source} has {stated.padding:g} and {stated.convention}: "
                f"--cfg-options {where}.padding={own_crop.padding:g} {where}.convention={own_crop.convention}"
            )
        # Set one by one: update() of mmengine's dicts keeps what they held.
        cfg.model.backbone = {"type": OnnxHeatmaps, "path": str(path)}
        built = estimator.head.codec
        codec = {"type": type(built), **dataclasses.asdict(built)}
        cfg.model.head = {"type": HeatmapHead, "codec": codec, "loss": {"type": MSELoss}}
        cfg.model.mean, cfg.model.std = [0, 0, 0], [1, 1, 1]
        cfg.model.flip_test, cfg.model.channel_order = estimator.flip_test, "rgb"
    cfg.model.frozen = []  # of the network that was trained; a file's does not learn
    cfg.load_from = None
