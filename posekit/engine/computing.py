"""What a run computes with: threads that its batches are worth, and the backend of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader

from posekit.datasets.mixture import parts_of
from posekit.errors import ConfigError
from posekit.machine import STEP_IN_PASSES, threads_for
from posekit.models.backends import EAGER, FOLDED, with_backend
from posekit.models.estimator import PoseEstimator
from posekit.models.trial import macs_of


@contextmanager
def same_threads_afterwards() -> Iterator[None]:
    """Gives torch back as many threads as it has had."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def same_network_afterwards(runner: Any) -> Iterator[None]:
    """Gives a runner back the network that it has had, whatever a test has put in its place."""
    before = runner.bare_model
    try:
        yield
    finally:
        _put(runner, before)


def _put(runner: Any, model: Any) -> None:
    if runner.model is runner.bare_model:
        runner.model = model
    else:
        runner.model.module = model


def fit_threads(runner: Any, training: bool) -> None:
    """Lets torch take as many threads as a batch on the CPU is worth, and says so if these are fewer.

    The number follows from the config, the cores and the user's own settings: a run that is resumed on the
    same machine has the same.
    """
    model = runner.bare_model
    if not isinstance(model, PoseEstimator) or model.mean.device.type != "cpu":
        return
    loader = runner.train_dataloader if training else runner.test_dataloader
    size_hw = _input_size_hw(loader)
    macs = None if size_hw is None else macs_of(model, size_hw)
    if macs is None:
        return
    passes = STEP_IN_PASSES if training else 1 + model.flip_test
    whole, before = macs * passes * (loader.batch_size or 1), torch.get_num_threads()
    count = threads_for(whole)
    if count != before:
        torch.set_num_threads(count)
        runner.logger.info(
            f"threads: {count} of {before}, which a batch of {whole / 1e9:.2g} billion multiply-adds is "
            "worth; OMP_NUM_THREADS sets another number"
        )


def choose_backend(runner: Any) -> None:
    """Puts a network that only predicts from now on to the backend of the config's ``backend``.

    Without one it is torch, as it is. Mirror images have a batch of their own, so that a score does not
    depend on how people are shared out over batches and processes.

    Raises:
        ConfigError: If it cannot be had.
        CheckpointError: If a package for it is not installed.
    """
    backend, model = runner.cfg.get("backend") or EAGER, runner.bare_model
    if not isinstance(model, PoseEstimator):
        if backend not in (EAGER, FOLDED):
            raise ConfigError(f"backend {backend}: for a PoseEstimator alone, found {type(model).__name__}")
        return
    size_hw = _input_size_hw(runner.test_dataloader)
    if size_hw is None:
        if backend not in (EAGER, FOLDED):
            raise ConfigError(f"backend {backend}: the test's data set does not tell the size of its crops")
        return
    _put(runner, with_backend(model, backend, size_hw))


def _input_size_hw(loader: DataLoader) -> tuple[int, int] | None:
    """Of a loader's crops, if it has such."""
    crop = getattr(parts_of(loader.dataset)[0], "crop", None)
    size = getattr(crop, "input_size_hw", None)
    return None if size is None else (int(size[0]), int(size[1]))
