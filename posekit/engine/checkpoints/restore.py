"""A run taken up where a checkpoint left it: what must fit, and each part of its state put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.runner import EpochBasedTrainLoop

from posekit.engine.checkpoints import state as parts
from posekit.engine.hooks.ema import resume_average, training_form
from posekit.engine.schedules import anneals, learning_rate, new_schedule
from posekit.errors import CheckpointError, PosekitError

_MOST = 2**62  # of whatever is counted
# What torch and mmengine raise on a state that is not theirs.
_MISFITS = (LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError, AssertionError)


def restore_run(runner: Any, checkpoint: Mapping[str, Any], source: str | Path) -> None:
    """Takes a run up where a checkpoint left it.

    Args:
        runner: Its training loop, optimiser and schedulers need not be built yet.
        checkpoint: As read from ``source``.
        source: Its file.

    Raises:
        CheckpointError: If it is of another kind, architecture or config.
    """
    place = place_of(checkpoint, source)
    check_meta(runner, checkpoint["meta"], place, source)
    with fitting_state(source):
        own = training_form(checkpoint)
    runner.adopt(own, source)
    loop = runner.train_loop
    loop._epoch, loop._iter = place.epoch, place.iteration
    with fitting_state(source):
        resume_average(runner, checkpoint)
        parts.restore_message_hub(runner.message_hub, checkpoint["message_hub"])
        restore_optimizer(runner, checkpoint["optimizer"])
        parts.restore_gradients(runner.bare_model, checkpoint.get("gradients", {}))
        planned = restore_schedulers(runner, checkpoint.get("param_schedulers", []), source)
        check_end(runner, checkpoint["message_hub"]["info"].get("max_epochs"), planned, source)
        _enter(runner, place, checkpoint, source)
    within = f", batch {loop.done} of {len(runner.train_dataloader)}" if getattr(loop, "done", 0) else ""
    runner.logger.info(f"resumed from {source}: epoch {runner.epoch}, iteration {runner.iter}{within}")


@contextmanager
def fitting_state(source: str | Path) -> Iterator[None]:
    """Turns what a training state of another config, or none at all, raises into an error that names it.

    Raises:
        CheckpointError: In place of whatever the optimiser, the schedulers or the logs raise.
    """
    try:
        yield
    except PosekitError:
        raise
    except _MISFITS as error:
        raise CheckpointError(
            f"checkpoint {source}: its training state does not fit this config "
            f"({type(error).__name__}: {error}); start anew from its weights with --cfg-options load_from=..."
        ) from error


class Place(NamedTuple):
    """Where a checkpoint's run stood: what it had done, and how much of the epoch that has begun."""

    epoch: int
    iteration: int
    batches: int
    samples: int


def place_of(checkpoint: Mapping[str, Any], source: str | Path) -> Place:
    """Reads it from a checkpoint.

    Raises:
        CheckpointError: If it holds no training's state, or a number is impossible.
    """
    meta: Mapping[str, Any] = checkpoint["meta"] if isinstance(checkpoint.get("meta"), Mapping) else {}
    missing = [key for key in ("optimizer", "message_hub") if key not in checkpoint]
    if missing or not {"epoch", "iter"} <= meta.keys():
        raise CheckpointError(
            f"checkpoint {source}: holds weights but not the state of a training ({missing} missing); "
            "resume from an epoch_N.pth, or start anew from it with --cfg-options load_from=..."
        )
    if "mmengine_version" in meta:  # MMPose's files hold an optimiser and a message hub as well
        raise CheckpointError(
            f"checkpoint {source}: the state of another program's training (MMPose's?); expected an "
            "epoch_N.pth of posekit. Its weights can start a training: --cfg-options load_from=..."
        )
    names = {"epoch": None, "iter": None, "batches": 0, "samples": 0}
    numbers = {name: meta.get(name, default) for name, default in names.items()}
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < _MOST:
            raise CheckpointError(
                f"checkpoint {source}: meta.{name}: expected a whole number >= 0, found {number!r:.40}"
            )
    return Place(*numbers.values())


def check_meta(runner: Any, meta: Mapping[str, Any], place: Place, source: str | Path) -> None:
    """Compares what a checkpoint says of its run with the run that wants to continue it.

    Raises:
        CheckpointError: If it cannot continue it.
    """
    if meta.get("seed") is not None and meta["seed"] != runner.seed:
        runner.logger.warning(f"{source} was trained with seed {meta['seed']}, this run has {runner.seed}")
    theirs, ours = meta.get("optimizer"), parts.optimizer_name(runner)
    if theirs and ours and theirs != ours:
        raise CheckpointError(f"checkpoint {source}: holds the state of {theirs}, this config has {ours}")
    made_for, own = meta.get("skeleton"), parts.skeleton_dict(runner.bare_model)
    if isinstance(made_for, dict) and own and made_for.get("keypoints") != own["keypoints"]:
        made = f"made for skeleton '{made_for.get('name')}', this config has '{own['name']}'"
        raise CheckpointError(f"checkpoint {source}: {made}")
    per_epoch = len(runner.train_dataloader)
    whole = place.iteration - place.batches
    if whole != place.epoch * per_epoch:
        runner.logger.warning(
            f"{source} has {whole} iterations in {place.epoch} epochs, this run {per_epoch} in each "
            "(another batch size, number of processes or data set)"
        )


def restore_optimizer(runner: Any, state: dict[str, Any]) -> None:
    """Restores the optimiser with the settings of its checkpoint, and says where the config's are others."""
    runner.optim_wrapper = wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    before = _settings(wrapper)
    wrapper.load_state_dict(state)
    _tell_kept(runner, "optimizer", before, _settings(wrapper))


def _settings(wrapper: Any) -> dict[str, Any]:
    """An optimiser's settings, group by group; the learning rate is that before any schedule."""
    groups = getattr(getattr(wrapper, "optimizer", None), "param_groups", [])
    found: dict[str, Any] = {}
    for i, group in enumerate(groups):
        where = f" of group {i}" if len(groups) > 1 else ""
        started = {key.removeprefix("initial_"): v for key, v in group.items() if key.startswith("initial_")}
        own = {key: v for key, v in group.items() if key != "params" and not key.startswith("initial_")}
        found.update({f"{key}{where}": value for key, value in {**own, **started}.items()})
    return found


def _tell_kept(runner: Any, what: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    differing = [key for key in ours if key in theirs and theirs[key] != ours[key]]
    if differing:
        kept = ", ".join(f"{key} {theirs[key]} (this config: {ours[key]})" for key in differing)
        runner.logger.warning(
            f"resuming keeps the {what}'s settings, as the run began: {kept}; "
            "to change them start anew from the weights with --cfg-options load_from=..."
        )


def restore_schedulers(runner: Any, states: Sequence[Any], source: str | Path) -> list[str]:
    """Restores the schedulers, one by one, and says where the config's settings are others.

    Returns:
        The kinds that bring the learning rate down until another place than this config's would.

    Raises:
        CheckpointError: If their number is another.
    """
    if runner.param_schedulers is None:
        return []
    runner.param_schedulers = schedulers = runner.build_param_scheduler(runner.param_schedulers)
    if len(states) != (count := len(schedulers)):
        raise CheckpointError(f"checkpoint {source}: expected {count} schedulers, found {len(states)}")
    planned: list[str] = []
    for scheduler, state in zip(schedulers, states, strict=True):
        before = _plan(scheduler)
        scheduler.load_state_dict(state)
        if before["end"] != scheduler.end and anneals(type(scheduler), vars(scheduler)):
            planned.append(type(scheduler).__name__)
        _tell_kept(runner, type(scheduler).__name__, before, _plan(scheduler))
    return planned


def check_end(runner: Any, before: Any, planned: Sequence[str], source: str | Path) -> None:
    """Says how a run goes on that is to have another number of epochs than it began with.

    Args:
        runner: Restored.
        before: The epochs that it was to have.
        planned: As from :func:`restore_schedulers`.
        source: The checkpoint.

    Raises:
        CheckpointError: If its learning rate would stay at its lowest, or not come down.
    """
    now, rate = runner.max_epochs, f"{learning_rate(runner):.3g}"
    if not isinstance(before, int) or before == now or runner.epoch >= now:
        return
    if not planned:
        runner.logger.warning(
            f"the run was to have {before} epochs and goes on to {now}, by the schedule that it began with, "
            f"at learning rate {rate} now"
        )
        return
    kept = f"resuming keeps the schedule ({', '.join(planned)}), which was made for {before} epochs"
    if now > before:
        last = f"at {rate}, to which it has come down" if runner.epoch >= before else "where it ends then"
        fault = f"the learning rate would stay {last}, from epoch {before + 1} to {now}"
    else:
        fault = f"after {now} the learning rate would not have come down"
    way = "" if runner.epoch >= before else f"Resume with train_cfg.max_epochs={before}. "
    raise CheckpointError(f"checkpoint {source}: {kept}: {fault}. {way}{new_schedule(source)}")


def _plan(scheduler: Any) -> dict[str, Any]:
    """A scheduler's settings; not how far it has come, nor what follows from the optimiser's."""
    state = scheduler.state_dict()
    return {k: v for k, v in state.items() if not (k.startswith("_") or k in ("last_step", "base_values"))}


def _enter(runner: Any, place: Place, checkpoint: Mapping[str, Any], source: str | Path) -> None:
    """Goes to where the sampler stood, and says where the run's iterations end.

    What is done counts as it was done, what is left as it will be: the epochs' length may be another now, and
    an accumulation of gradients ends with the last iteration.
    """
    loop, batches = runner.train_loop, _batches_done(runner, place, source)
    if isinstance(loop, EpochBasedTrainLoop):
        left = (loop.max_epochs - place.epoch) * len(runner.train_dataloader) - batches
        loop._max_iters = place.iteration + max(left, 0)
    states = checkpoint.get("rng_ranks") or [checkpoint.get("rng")]
    # Of another number of processes there is none; within an epoch the loop restores it on its way.
    state = states[runner.rank] if len(states) == runner.world_size else None
    if state is not None:
        parts.restore_random_state(state)
    if batches:
        loop.enter_at(batches, state)


def _batches_done(runner: Any, place: Place, source: str | Path) -> int:
    """How many batches of the current epoch need not be trained again.

    With another batch size or number of processes it is the samples that count: the order of an epoch is the
    same for any number of processes, and after n batches exactly its first samples have been used.
    """
    loader = runner.train_dataloader
    batches, again = place.batches, 0
    if loader.batch_size is not None and place.samples:
        batches, again = divmod(place.samples, loader.batch_size * runner.world_size)
    if again:
        runner.logger.warning(
            f"{source}: {again} samples of the current epoch will be used a second time, since the batches "
            "are of another size now"
        )
    return min(batches, len(loader))
