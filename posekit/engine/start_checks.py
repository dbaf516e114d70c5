"""What is looked at before a training begins: whether network, data, schedules and loggers go together."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from logging import Logger
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.data import DataLoader

from posekit.datasets.bottomup import BottomUpDataset
from posekit.datasets.mixture import parts_of
from posekit.datasets.table import PersonTable
from posekit.datasets.topdown import TopDownDataset
from posekit.engine.hooks.scores import check_monitors
from posekit.engine.loggers import require_packages
from posekit.engine.loops import epoch_loop
from posekit.engine.schedules import Length, fit_schedules
from posekit.engine.startup import faults_of
from posekit.errors import ConfigError
from posekit.models.attribute_head import AttributeHead, check_attributes
from posekit.models.estimator import PoseEstimator


def check_plan(runner: Any) -> None:
    """Looks at what a training is to do before any data is read.

    Raises:
        ConfigError: If a package of a logger is missing, or a schedule does not fit the training.
    """
    source = runner.cfg.filename
    require_packages(runner.cfg, str(source))
    if isinstance(runner._train_loop, Mapping):
        epochs = epoch_loop(runner._train_loop, source)["max_epochs"]
        with faults_of("param_scheduler", source), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come when the schedulers are built
            fit_schedules(runner.param_schedulers, Length(epochs), source)


def check_training(runner: Any) -> None:
    """Looks at the network and its data, once there are both.

    Raises:
        ConfigError: If they do not go together, or a setting is better when unknown scores are.
    """
    model, loader, source = runner.bare_model, runner.train_dataloader, runner.cfg.filename
    check_monitors(runner)
    check_empty_taught(model, loader, source)
    check_pictures(model, loader, source)
    check_attribute_columns(model, loader)
    if isinstance(model, PoseEstimator) and runner.world_size == 1:
        check_smallest_batch(model, loader, source, runner.logger)


def check_smallest_batch(model: nn.Module, loader: DataLoader, source: str | None, logger: Logger) -> None:
    """Looks whether a batch of one sample is to come that batch norm, over maps of 1x1, could not take.

    The network is run on tensors without content: nothing is computed, and its statistics stay.

    Args:
        model: A pose estimator.
        loader: Of the training.
        source: The config's file, for messages.
        logger: Is told if it cannot be seen this way.

    Raises:
        ConfigError: If so.
    """
    size, people = loader.batch_size, parts_of(loader.dataset)[0]
    one = size == 1 or (size and not loader.drop_last and len(loader.sampler) % size == 1)  # type: ignore[arg-type]
    if not one or not hasattr(people, "crop"):
        return
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    empty = {name: tensor.detach().to("meta") for name, tensor in tensors.items()}
    image = torch.empty((1, 3, *people.crop.input_size_hw), dtype=torch.uint8, device="meta")
    training = model.training
    try:
        with torch.no_grad():
            functional_call(model.train(), empty, (image,), {"mode": "tensor"})
    except Exception as error:  # a network that needs content in its tensors raises whatever it likes
        if "more than 1 value per channel" not in str(error):
            logger.info(f"whether batch norm can take a batch of one sample could not be seen: {error}")
            return
        raise ConfigError(
            f"config {source or '(Python)'}: train_dataloader: {len(loader.dataset):,} samples in batches of "  # type: ignore[arg-type]
            f"{size} leave a batch of one, which batch norm cannot normalise over maps of 1x1 ({error}); set "
            "drop_last=True or another batch_size"
        ) from error
    finally:
        model.train(training)


def check_empty_taught(model: nn.Module, loader: DataLoader, source: str | None) -> None:
    """Looks whether windows without people would teach nothing, since the codec gives them no weight.

    Args:
        model: A pose estimator.
        loader: Of the training.
        source: The config's file, for messages.

    Raises:
        ConfigError: If so.
    """
    empty = [part for part in parts_of(loader.dataset) if getattr(part, "empty", False)]
    codecs = [head.codec for head in model.modules() if hasattr(head, "codec")]
    if empty and all(getattr(codec, "outside", "drop") == "drop" for codec in codecs):
        found = ", ".join(sorted({type(codec).__name__ for codec in codecs})) or "no codec"
        raise ConfigError(
            f"config {source or '(Python)'}: train_dataloader: {empty[0].table.ann_file}: windows without "
            "people (empty=True) teach nothing unless the codec keeps the weight of keypoints outside a "
            f"crop: expected UDPCodec(outside='keep') or UDPOffsetCodec(outside='keep'), found {found}"
        )


def check_pictures(model: nn.Module, loader: DataLoader, source: str | None) -> None:
    """Looks whether the network is shown what it takes: one person's crops, or pictures with all people.

    Raises:
        ConfigError: If not.
    """
    head = getattr(model, "head", None)
    for part in parts_of(loader.dataset) if head is not None else ():
        whole = isinstance(part, BottomUpDataset)
        if not isinstance(part, TopDownDataset) or whole == getattr(head, "whole_pictures", False):
            continue
        name, table = type(head).__name__, part.table
        if whole:
            words = f"a {name} sees one person's crop: expected a TopDownDataset, found whole pictures"
        else:
            boxes = f"crops of boxes ({table.box_source})"
            words = f"a {name} finds the people of whole pictures itself: expected a BottomUpDataset, which "
            words += f"takes no boxes and no detections, found {boxes}"
        raise ConfigError(f"config {source or '(Python)'}: {table.ann_file}: {words}")


def check_attribute_columns(model: nn.Module, loader: DataLoader) -> None:
    """Looks whether heads of attributes find their labels, of their classes, and mirrored as they do.

    Raises:
        ConfigError: If not; see :func:`~posekit.models.attribute_head.check_attributes`.
    """
    heads = [part for part in model.modules() if isinstance(part, AttributeHead)]
    tables = [
        part.table
        for part in parts_of(loader.dataset)
        if isinstance(getattr(part, "table", None), PersonTable)
    ]
    for table in tables if heads else ():
        check_attributes(heads, table.extra, table.mirror, table.ann_file)
