"""The parts of a training's state that are live objects, as the plain values that a checkpoint holds."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import nn

from posekit.engine.checkpoint import is_plain
from posekit.engine.report import source_revision, versions
from posekit.structures import Skeleton


def describe_run(runner: Any, epoch: int, iteration: int) -> dict[str, Any]:
    """A checkpoint's ``meta``: what the weights are and how they were made.

    Args:
        runner: The runner.
        epoch: Epochs done.
        iteration: Iterations done.
    """
    metainfo = getattr(runner.train_dataloader.dataset, "metainfo", None) or {}
    return {
        "epoch": epoch,
        "iter": iteration,
        "cfg": runner.cfg.pretty_text,
        "seed": runner.seed,
        "optimizer": optimizer_name(runner),
        "skeleton": skeleton_dict(getattr(runner.model, "module", runner.model)),
        # The metainfo's own objects (the skeleton, the whole table of people) stay out.
        "dataset": {key: value for key, value in metainfo.items() if is_plain(value)},
        "experiment_name": runner.experiment_name,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": versions(),
        "git": source_revision(),
    }


def optimizer_name(runner: Any) -> str | None:
    """The class of a run's optimiser; None where there are several, or it is not built yet."""
    optimizer = getattr(runner.optim_wrapper, "optimizer", None)
    return type(optimizer).__name__ if isinstance(optimizer, torch.optim.Optimizer) else None


def skeleton_dict(model: nn.Module) -> dict[str, Any] | None:
    """A model's skeleton as plain values, if it has one."""
    skeleton = getattr(model, "skeleton", None)
    return skeleton.to_dict() if isinstance(skeleton, Skeleton) else None


def message_hub_state(hub: MessageHub) -> dict[str, Any]:
    """Mmengine's log histories and runtime facts, as lists and plain values."""
    scalars = {name: tuple(part.tolist() for part in buffer.data) for name, buffer in hub.log_scalars.items()}
    return {
        "scalars": scalars,
        "info": {key: value for key, value in hub.runtime_info.items() if is_plain(value)},
    }


def restore_message_hub(hub: MessageHub, stored: Mapping[str, Any]) -> None:
    """Restores :func:`message_hub_state`."""
    for name, (values, counts) in stored["scalars"].items():
        hub.log_scalars[name] = HistoryBuffer(values, counts)
        hub._resumed_keys[name] = True
    for name, value in stored["info"].items():
        hub.update_info(name, value)


def random_state() -> dict[str, Any]:
    """The state of all random generators of this process, as plain values."""
    name, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 - worker seeds use it
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": (name, np.asarray(keys).tolist(), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Restores :func:`random_state`; the CUDA part only where the number of devices is the same."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    cuda = state.get("cuda", [])
    if torch.cuda.is_available() and len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(cuda)
