"""What a run continues from: found and read before it makes a folder, since its seed is the run's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from posekit.engine.checkpoint import read_checkpoint, resume_candidates
from posekit.engine.distributed import on_main
from posekit.engine.state import optimizer_name, skeleton_dict
from posekit.errors import CheckpointError, PosekitError


class Found(NamedTuple):
    """A checkpoint to resume from, and why newer ones were passed over."""

    checkpoint: dict[str, Any]
    path: str
    passed_over: tuple[str, ...] = ()

    @property
    def seed(self) -> int | None:
        """The seed of the run that wrote it."""
        meta = self.checkpoint.get("meta")
        seed = meta.get("seed") if isinstance(meta, dict) else None
        return seed if isinstance(seed, int) else None


def find_checkpoint(work_dir: str | Path, path: str | Path | None = None) -> Found | None:
    """Reads the stated checkpoint, or the newest one of a work directory that can be read.

    Returns:
        None if there is nothing yet to resume from.

    Raises:
        CheckpointError: If the stated one, or every one, is damaged.
    """
    if path is not None:
        return Found(read_checkpoint(path), str(path))
    passed_over: list[str] = []
    for candidate in resume_candidates(work_dir):
        try:
            return Found(read_checkpoint(candidate), str(candidate), tuple(passed_over))
        except CheckpointError as error:
            passed_over.append(str(error))
    if passed_over:
        raise CheckpointError(f"nothing to resume from in {work_dir}:\n" + "\n".join(passed_over))
    return None


def find_together(work_dir: str | Path, path: str | Path | None = None) -> Found | None:
    """As :func:`find_checkpoint`, by process 0 for all: two that look at a moving disk may differ."""
    mine: Found | None = None

    def look() -> list[Any] | None:
        nonlocal mine
        mine = find_checkpoint(work_dir, path)
        return None if mine is None else [mine.path, mine.passed_over]

    found = on_main(look)
    if mine is not None or found is None:
        return mine
    return Found(read_checkpoint(found[0]), found[0], tuple(found[1]))


def check_meta(runner: Any, meta: Mapping[str, Any], source: str | Path) -> None:
    """Compares what a checkpoint says of its run with the run that wants to continue it.

    Raises:
        CheckpointError: If it cannot continue it.
    """
    if meta.get("seed") is not None and meta["seed"] != runner.seed:
        runner.logger.warning(f"{source} was trained with seed {meta['seed']}, this run has {runner.seed}")
    theirs, ours = meta.get("optimizer"), optimizer_name(runner)
    if theirs and ours and theirs != ours:
        raise CheckpointError(f"checkpoint {source}: holds the state of {theirs}, this config has {ours}")
    per_epoch = len(runner.train_dataloader)
    batches = meta.get("batches", 0)
    whole = meta["iter"] - batches
    if whole != meta["epoch"] * per_epoch:
        runner.logger.warning(
            f"{source} has {whole} iterations in {meta['epoch']} epochs, this run {per_epoch} in each "
            "(another batch size, number of processes or data set)"
        )
    _check_skeleton(
        meta.get("skeleton"), skeleton_dict(getattr(runner.model, "module", runner.model)), source
    )


def _check_skeleton(theirs: Any, ours: dict[str, Any] | None, source: str | Path) -> None:
    if isinstance(theirs, dict) and ours and theirs.get("keypoints") != ours["keypoints"]:
        raise CheckpointError(
            f"checkpoint {source}: made for skeleton '{theirs.get('name')}', this config has '{ours['name']}'"
        )


def batches_done(runner: Any, meta: Mapping[str, Any], source: str | Path) -> int:
    """How many batches of the current epoch need not be trained again.

    With another batch size or number of processes it is the samples that count: the order of an epoch is the
    same for any number of processes, and after n batches exactly its first samples have been used.

    Raises:
        CheckpointError: If the numbers are impossible.
    """
    loader = runner.train_dataloader
    batches, samples = meta.get("batches", 0), meta.get("samples", 0)
    if not all(isinstance(number, int) and number >= 0 for number in (batches, samples)):
        raise CheckpointError(
            f"checkpoint {source}: meta.batches and meta.samples: expected whole numbers >= 0, "
            f"found {batches!r} and {samples!r}"
        )
    again = 0
    if loader.batch_size is not None and samples:
        batches, again = divmod(samples, loader.batch_size * runner.world_size)
    if again:
        runner.logger.warning(
            f"{source}: {again} samples of the current epoch will be used a second time, since the batches "
            "are of another size now"
        )
    return min(batches, len(loader))


def random_state_of(runner: Any, checkpoint: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """This process's random state; None if the checkpoint is of another number of processes."""
    states = checkpoint.get("rng_ranks") or [checkpoint.get("rng")]
    return states[runner.rank] if len(states) == runner.world_size else None


def restore_optimizer(runner: Any, state: dict[str, Any]) -> None:
    """Restores the optimiser with the settings of its checkpoint, and says where the config's are others."""
    wrapper = runner.optim_wrapper
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
    differing = [
        f"{key} {theirs[key]} (this config: {ours[key]})"
        for key in ours
        if key in theirs and theirs[key] != ours[key]
    ]
    if differing:
        runner.logger.warning(
            f"resuming keeps the {what}'s settings, as the run began: {', '.join(differing)}; "
            "to change them start anew from the weights with --cfg-options load_from=..."
        )


def restore_schedulers(runner: Any, states: Sequence[Any], source: str | Path) -> None:
    """Restores the schedulers, one by one, and says where the config's settings are others.

    Raises:
        CheckpointError: If their number is another.
    """
    schedulers = runner.param_schedulers
    if len(states) != len(schedulers):
        raise CheckpointError(
            f"checkpoint {source}: expected {len(schedulers)} schedulers, found {len(states)}"
        )
    for scheduler, state in zip(schedulers, states, strict=True):
        before = _plan(scheduler)
        scheduler.load_state_dict(state)
        _tell_kept(runner, type(scheduler).__name__, before, _plan(scheduler))


def _plan(scheduler: Any) -> dict[str, Any]:
    """A scheduler's settings; not how far it has come, nor what follows from the optimiser's."""
    state = scheduler.state_dict()
    return {k: v for k, v in state.items() if not (k.startswith("_") or k in ("last_step", "base_values"))}


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
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"checkpoint {source}: its training state does not fit this config "
            f"({type(error).__name__}: {error}); start anew from its weights with --cfg-options load_from=..."
        ) from error
