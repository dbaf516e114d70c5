"""Which network, with which weights, fed with which crop: the three answers a :class:`Predictor` needs."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from posekit.errors import CheckpointError, ConfigError
from posekit.inference.bundle import NO_MODEL, build_estimator, bundled_models, read_bundle
from posekit.inference.calibration import Calibration
from posekit.inference.cards import first_of_card, stages_of_config
from posekit.inference.crops import crop_of_config
from posekit.inference.exported import read_exported
from posekit.models.backends import EAGER, FOLDED, with_backend
from posekit.models.estimator import PoseEstimator
from posekit.models.trial import macs_of
from posekit.models.zoo import ZOO, HeatmapNetwork, ZooRow, create, find_row
from posekit.transforms import Crop, Upright

_TOGETHER = 8  # crops; of more a batch is as quick without their mirror images, and needs half the memory


@dataclass(frozen=True, eq=False)
class PoseNetwork:
    """A network ready to predict.

    Attributes:
        estimator: With its weights.
        crop: How a box becomes its input.
        name: What it is: a zoo name, a config's path, a class.
        weights: Where its weights are from.
        calibration: What its scores are worth, if its card says so.
        first: The network whose points place its crops; None: crops are the boxes'.
        upright: How they do.
        flipped_calibration: What scores are worth with the flip test, where that is said apart.
    """

    estimator: PoseEstimator
    crop: Crop
    name: str
    weights: str
    calibration: Calibration | None = None
    first: PoseNetwork | None = None
    upright: Upright | None = None
    flipped_calibration: Calibration | None = None

    def with_flip(self, flip_test: bool | None) -> PoseNetwork:
        """The same weights with the flip test on or off, in both stages; None leaves it as it is."""
        if self.first is not None and flip_test is not None:
            self = replace(self, first=self.first.with_flip(flip_test))
        if getattr(self.estimator.backbone, "flip_inside", False):
            if flip_test is False:
                raise ConfigError(
                    f"network {self.weights}: averages with the mirror image inside; export it without"
                )
            return self
        if flip_test is None or flip_test == self.estimator.flip_test:
            return self
        estimator = copy.copy(self.estimator)  # the caller's own keeps its setting
        estimator.flip_test = flip_test
        return replace(self, estimator=estimator)

    @property
    def calibration_in_use(self) -> Calibration | None:
        """That of the flip test as it is set."""
        return (self.flipped_calibration if self.estimator.flip_test else None) or self.calibration

    def describe_first(self) -> dict[str, str]:
        """States the first stage, in words; nothing of a network that has none."""
        if self.first is None or self.upright is None:
            return {}
        first = f"{self.first.name}, {self.first.weights}"
        words = f"{self.upright.describe()} by {first}; where it tells nothing, the box as it is"
        return {"crops": words}

    def refuse_boxes(self, given: str) -> None:
        """Raises ConfigError if the network finds the people itself, and has no use for boxes.

        Args:
            given: Where the boxes would be from, in words.
        """
        if self.estimator.whole_pictures:
            raise ConfigError(
                f"network {self.name}: finds the people of whole pictures itself, without boxes; found "
                f"{given}. Leave that out, or take a top-down network"
            )

    def macs(self) -> float:
        """Multiply-adds of one crop with its mirror image and the first stage; infinite if not known."""
        own = macs_of(self.estimator, self.crop.input_size_hw)
        if own is None:
            return float("inf")
        return own * (1 + self.estimator.flip_test) + (0 if self.first is None else self.first.macs())

    def to(self, device: torch.device) -> PoseNetwork:
        """The same in evaluation mode on a device; the modules themselves are moved there."""
        first = None if self.first is None else self.first.to(device)
        return replace(self, estimator=self.estimator.to(device).eval(), first=first)

    def quickened(self, backend: str = FOLDED) -> PoseNetwork:
        """The same network, in both stages, computed by a backend (:mod:`posekit.models.backends`).

        A few crops then go through the network together with their mirror images.

        Raises:
            ConfigError: If the backend cannot be had.
            CheckpointError: If a package for it is not installed.
        """
        if backend == EAGER:
            return self
        if self.first is not None:
            self = replace(self, first=self.first.quickened(backend))
        quick = copy.copy(with_backend(self.estimator, backend, self.crop.input_size_hw))
        quick.flip_together = _TOGETHER
        return replace(self, estimator=quick)


Model = str | os.PathLike[str] | nn.Module | PoseNetwork


def load_network(
    model: Model | None, checkpoint: str | os.PathLike[str] | None, crop: Crop | None = None
) -> PoseNetwork:
    """Finds and loads a network.

    Args:
        model: A name of the zoo or of a bundled model, a config's path (.py), a file that ``tools/export.py``
            wrote (.onnx), a ``PoseEstimator`` or a network that ``posekit.models.create`` made; or a
            ``PoseNetwork``, as it is. None: the bundled model, or what the card beside ``checkpoint`` says.
        checkpoint: Weights of any known form. None: the zoo's or the bundle's own; those that a module has.
        crop: In place of the model's own; a ``PoseEstimator`` has none and needs it.

    Raises:
        ConfigError: If it does not become clear which network or crop is meant.
        CheckpointError: If the weights cannot be had or do not fit.
    """
    if isinstance(model, PoseNetwork):
        if checkpoint is not None:
            raise ConfigError(f"network {model.name}: has its weights; {checkpoint} has no place beside it")
        network = model
    elif isinstance(model, nn.Module):
        network = _from_module(model, checkpoint, crop)
    elif model is None:
        network = _from_bundle(_default_bundle() if checkpoint is None else Path(checkpoint))
    elif Path(model).suffix == ".onnx":
        network = _from_onnx(Path(model), checkpoint)
    elif Path(model).suffix == ".py":
        network = _from_config(Path(model), checkpoint)
    elif str(model) in bundled_models() and checkpoint is None:
        network = _from_bundle(bundled_models()[str(model)])
    elif str(model) not in ZOO and os.path.lexists(model):
        raise ConfigError(
            f"model {os.fspath(model)}: is no .onnx file, config (.py) or name; weights are a checkpoint "
            "(--checkpoint)"
        )
    else:
        network = _from_zoo(str(model), checkpoint)
    return replace(network, crop=crop or network.crop)


def _from_onnx(path: Path, checkpoint: str | os.PathLike[str] | None) -> PoseNetwork:
    if checkpoint is not None:
        raise ConfigError(f"network {path}: holds its weights; {checkpoint} has no place beside it")
    estimator, crop, card = read_exported(path)
    return PoseNetwork(estimator, crop, str(card.get("name", path.stem)), str(path), _calibration(card, path))


def _default_bundle() -> Path:
    found = bundled_models()
    if not found:
        raise ConfigError(NO_MODEL)
    return next(iter(found.values()))


def _from_bundle(path: Path, is_first: bool = False) -> PoseNetwork:
    if not path.with_suffix(".json").is_file():
        raise ConfigError(
            f"checkpoint {path}: which network is it of? State model= as a config or a name of the zoo "
            "(only a .safetensors with a card beside it, as posekit.inference.write_bundle makes, says so)"
        )
    estimator, crop, card = read_bundle(path)
    calibration = _calibration(card, path.with_suffix(".json"))
    flipped = _calibration(card, path.with_suffix(".json"), "flipped_calibration")
    name = str(card.get("name", path.stem))
    network = PoseNetwork(estimator, crop, name, str(path), calibration, flipped_calibration=flipped)
    stage = first_of_card(card, path)
    if stage is None:
        return network
    if is_first:  # two cards may name each other
        raise CheckpointError(f"{path.with_suffix('.json')}: is a first stage, and names one itself")
    return two_stages(_from_bundle(stage.weights, is_first=True), stage.upright, network)


def _calibration(card: dict[str, Any], source: Path, entry: str = "calibration") -> Calibration | None:
    """What a card states of its scores; raises CheckpointError if that is no calibration."""
    stated = card.get(entry)
    try:
        return None if stated is None else Calibration.from_card(stated)
    except ConfigError as error:
        raise CheckpointError(f"{source}: {error}") from error


def _from_zoo(name: str, checkpoint: str | os.PathLike[str] | None) -> PoseNetwork:
    row = find_row(name)
    network = create(name, pretrained=True if checkpoint is None else Path(checkpoint))
    estimator = _estimator_of(network)
    return PoseNetwork(estimator, _crop_of_row(row), name, str(checkpoint or row.weights.name))


def _from_config(path: Path, checkpoint: str | os.PathLike[str] | None) -> PoseNetwork:
    from posekit.engine.configs.config import load_config
    from posekit.models.released import load_into

    if checkpoint is None:
        if not path.is_file():
            raise ConfigError(f"config {path}: no such file")
        raise ConfigError(f"config {path}: it holds no weights; state checkpoint= (--checkpoint) with it")
    cfg = load_config(path)
    estimator = build_estimator(cfg.model.to_dict())
    load_into(estimator, Path(checkpoint))
    network = PoseNetwork(estimator, crop_of_config(cfg, str(path)), str(path), str(checkpoint))
    stage, upright = stages_of_config(cfg, str(path))
    return network if stage is None or upright is None else two_stages(stage.load(), upright, network)


def two_stages(first: PoseNetwork, upright: Upright, second: PoseNetwork) -> PoseNetwork:
    """A network that sees crops corrected by another one's points.

    Raises:
        ConfigError: If one of them does not know the keypoints that ``upright`` names, or ``first`` has a
            first stage itself.
    """
    refuse_two_stages(first)
    upright.check_skeleton(first.estimator.skeleton, "the first network's")
    upright.check_skeleton(second.estimator.skeleton, "the second network's")
    return replace(second, first=first, upright=upright)


def refuse_two_stages(first: PoseNetwork) -> PoseNetwork:
    """A network as it is, if it may be a first stage; raises ConfigError of one that has one itself."""
    if first.estimator.whole_pictures:
        raise ConfigError(
            f"first_stage: {first.name} finds the people of whole pictures itself, and places no crops"
        )
    if first.first is not None:
        raise ConfigError(
            f"first_stage: {first.name} tests in two stages itself, and two are the most; name a network of "
            "one stage"
        )
    return first


def _from_module(
    model: nn.Module, checkpoint: str | os.PathLike[str] | None, crop: Crop | None
) -> PoseNetwork:
    from posekit.models.released import load_into

    if isinstance(model, HeatmapNetwork):
        estimator, own, name = _estimator_of(model), _crop_of_row(model.row), model.row.name
    elif isinstance(model, PoseEstimator):
        estimator, own, name = model, None, type(model.backbone).__name__
    else:
        raise ConfigError(
            f"model: expected a PoseEstimator or a network of the zoo, found {type(model).__name__}"
        )
    fed_with = crop or own
    if fed_with is None:
        raise ConfigError("a PoseEstimator does not know its input: state crop=Crop((height, width), ...)")
    if checkpoint is not None:
        load_into(estimator, Path(checkpoint))
    return PoseNetwork(estimator, fed_with, name, str(checkpoint or "as handed over"))


def _estimator_of(network: HeatmapNetwork) -> PoseEstimator:
    """A network of the zoo with the flip test and the way back to image pixels."""
    row = network.row
    return PoseEstimator(
        backbone=network.backbone,
        head=network.head,
        skeleton=network.skeleton,
        flip_test=row.flip_test,
        mean=row.mean,
        std=row.std,
        channel_order=row.channel_order,
    )


def _crop_of_row(row: ZooRow) -> Crop:
    return Crop(row.input_size_hw, convention=row.crop)
