"""The parts of a training's state that are live objects, as the plain values that a checkpoint holds."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from posekit.engine.checkpoints.files import is_plain, to_plain
from posekit.engine.report import source_revision, versions
from posekit.parallel import gather_rows
from posekit.structures import Skeleton


def checkpoint_of(
    runner: Any, meta: Mapping[str, Any], state: bool, schedulers: bool
) -> dict[str, Any] | None:
    """A run's checkpoint as it stands; all processes must call it, and the first gets it.

    Args:
        runner: The runner.
        meta: ``epoch``, ``iter`` and, within an epoch, ``batches`` that are done; added to the meta data.
        state: Add what resuming needs: optimiser, message hub, random states, gradients.
        schedulers: Add the schedulers.
    """
    states = random_states(runner.world_size) if state else []
    gradients = pending_gradients(runner.bare_model, runner.optim_wrapper) if state else {}
    if not is_main_process():
        return None
    described = {"batches": 0, **describe_run(runner), **meta}
    per_batch = (runner.train_dataloader.batch_size or 0) * runner.world_size
    described["samples"] = described["batches"] * per_batch
    checkpoint: dict[str, Any] = {"meta": described, "state_dict": runner.bare_model.state_dict()}
    if state:
        checkpoint["optimizer"] = runner.optim_wrapper.state_dict()
        checkpoint["message_hub"] = message_hub_state(runner.message_hub)
        checkpoint["rng"] = states[0]
        if len(states) > 1:
            checkpoint["rng_ranks"] = states
        if gradients:
            checkpoint["gradients"] = gradients
    if schedulers and runner.param_schedulers is not None:
        # OneCycle's annealing function stays out, which one built anew has already.
        plans = [scheduler.state_dict() for scheduler in runner.param_schedulers]
        checkpoint["param_schedulers"] = [
            {key: value for key, value in one.items() if not callable(value)} for one in plans
        ]
    return checkpoint


def describe_run(runner: Any) -> dict[str, Any]:
    """A checkpoint's ``meta``, less how far the run has come: what the weights are and how they were made."""
    metainfo = getattr(runner.train_dataloader.dataset, "metainfo", None) or {}
    return {
        "cfg": runner.cfg.pretty_text,
        "seed": runner.seed,
        "optimizer": optimizer_name(runner),
        "skeleton": skeleton_dict(runner.bare_model),
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
    info = {key: value for key, value in hub.runtime_info.items() if is_plain(value)}
    return {"scalars": scalars, "info": info}


def restore_message_hub(hub: MessageHub, stored: Mapping[str, Any]) -> None:
    """Restores :func:`message_hub_state`."""
    for name, (values, counts) in stored["scalars"].items():
        hub.log_scalars[name] = HistoryBuffer(values, counts)
        hub._resumed_keys[name] = True
    for name, value in stored["info"].items():
        hub.update_info(name, value)


def random_state() -> dict[str, Any]:
    """The state of all random generators of this process, as plain values."""
    state: dict[str, Any] = {"python": random.getstate(), "torch": torch.get_rng_state()}
    state["numpy"] = np.random.get_state()  # noqa: NPY002 - worker seeds use it
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return to_plain(state)


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


def random_states(world_size: int) -> list[dict[str, Any]]:
    """The random states of all processes, by rank, in process 0; the others, which call it too, get none."""
    state = random_state()
    if world_size == 1:
        return [state]
    buffer = io.BytesIO()
    torch.save(state, buffer)
    gathered = gather_rows(np.frombuffer(buffer.getbuffer(), np.uint8)[:, None])
    return [torch.load(io.BytesIO(part.tobytes()), weights_only=True) for part in gathered or ()]


def pending_gradients(model: nn.Module, optim_wrapper: Any) -> dict[str, Tensor]:
    """The gradients by name of an accumulation that has not made its step yet; empty after a step.

    Of several processes, which all must call it, the mean: that is what the step would have used.
    """
    if not isinstance(optim_wrapper, OptimWrapper) or optim_wrapper.should_update():
        return {}
    found = {n: p.grad.detach().clone() for n, p in model.named_parameters() if p.grad is not None}
    for gradient in found.values():
        all_reduce(gradient, "mean")
    return found


def restore_gradients(model: nn.Module, gradients: Mapping[str, Tensor]) -> None:
    """Restores :func:`pending_gradients`."""
    parameters = dict(model.named_parameters())
    for name, gradient in gradients.items():
        parameters[name].grad = torch.empty_like(parameters[name]).copy_(gradient)
