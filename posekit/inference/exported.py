"""Exported files (:mod:`posekit.inference.export`) read back: as a network, or in a config's place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posekit.errors import CheckpointError, ConfigError, shown
from posekit.inference.bundle import check_card
from posekit.io.onnx_files import CARD, open_session, read_card
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.losses import MSELoss
from posekit.models.normalisation import FIXED
from posekit.models.onnx_backbone import OnnxHeatmaps, OnnxPoints, PointsOfFile
from posekit.registry import MODELS
from posekit.skeletons import get_skeleton
from posekit.transforms import Crop


def read_exported(path: Path) -> tuple[PoseEstimator, Crop, dict[str, Any]]:
    """An exported file as a network, its crop, and what else its card says.

    Raises:
        CheckpointError: If the file is none of posekit's, or its card is damaged.
    """
    card = read_card(open_session(path), path)
    if card is None:
        raise CheckpointError(
            f"network {path}: posekit did not export it, so it does not say what its maps are; write a "
            "config with backbone=dict(type=OnnxHeatmaps, path=...), skeleton, head and crop"
        )
    try:
        _check_kinds(card)
        backbone, head = _parts(path, card)
        crop = dict(card["crop"])
        crop["input_size_hw"] = tuple(crop["input_size_hw"])
        estimator = PoseEstimator(
            backbone=backbone,
            head=head,
            skeleton=card["skeleton"],
            flip_test=_flips_outside(card) and card.get("flip_test", True),
            mean=(0, 0, 0),
            std=(1, 1, 1),
        )
        if card["decoded"]:
            _check_outputs(head["names"], estimator.backbone.outputs)  # type: ignore[arg-type]
        return estimator, Crop(**crop), card
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"network {path}: its entry '{CARD}' is damaged: {error}") from error


def _flips_outside(card: Mapping[str, Any]) -> bool:
    """Whether a file leaves the mirror image to who uses it."""
    return not card["flip_inside"] and not card["decoded"]


def _check_kinds(card: Mapping[str, Any]) -> None:
    """Raises ConfigError where a card's entry is of another kind than posekit writes."""
    kinds: dict[str, type] = {
        "decoded": bool,
        "flip_inside": bool,
        "flip_test": bool,
        "decoding": str,
        "outputs": list,
    }
    for name, kind in kinds.items():
        if name in card and not isinstance(card[name], kind):
            raise ConfigError(f"{name}: expected a {kind.__name__}, found {shown(card[name])}")


def _check_outputs(stated: list[Any], own: list[str]) -> None:
    """Raises ConfigError unless a card's names of what a file gives are the file's own."""
    if stated != own:
        raise ConfigError(f"outputs: expected those of the file, {shown(own)}, found {shown(stated)}")


def _parts(path: Path, card: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Backbone and head of a file, as a config has them."""
    if card["decoded"]:
        names = list(card.get("outputs", ("points", "scores")))
        head = {"type": PointsOfFile, "names": names, "decoding": card.get("decoding", "")}
        return {"type": OnnxPoints, "path": str(path)}, head
    # A stranger's file: its codec may name nothing but what posekit has.
    check_card({"codec": card["codec"]}, f"network {path}")
    codec = dict(card["codec"])
    codec["type"] = MODELS.get(codec["type"])
    head = {"type": HeatmapHead, "codec": codec, "loss": {"type": MSELoss}}
    return {"type": OnnxHeatmaps, "path": str(path)}, head


def put_into_config(cfg: Any, path: Path, source: str, no_flip: bool = False) -> None:
    """Has a config test an exported file in place of its own network, with its data, crops and metrics.

    A file that is not posekit's must take what the config's network takes: normalised crops to heatmaps.

    Raises:
        CheckpointError: If the file is damaged.
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
        cfg.model.backbone, cfg.model.head = _parts(path, card)
        cfg.model.mean, cfg.model.std, cfg.model.normalisation = [0, 0, 0], [1, 1, 1], FIXED
        cfg.model.flip_test = _flips_outside(card) and cfg.model.get("flip_test", True)
        cfg.model.channel_order = "rgb"
    cfg.model.frozen = []  # of the network that was trained; a file's does not learn
    cfg.load_from = None
