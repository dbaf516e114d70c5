"""What a run continues from: found and read before it makes a folder, since its seed is the run's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from posekit.engine.checkpoint import read_checkpoint, resume_candidates
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
    if meta["iter"] != meta["epoch"] * per_epoch:
        runner.logger.warning(
            f"{source} has {meta['iter']} iterations in {meta['epoch']} epochs, this run {per_epoch} in each "
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


def restore_schedulers(schedulers: Sequence[Any], states: Sequence[Any], source: str | Path) -> None:
    """Restores the schedulers, one by one.

    Raises:
        CheckpointError: If their number is another.
    """
    if len(states) != len(schedulers):
        raise CheckpointError(
            f"checkpoint {source}: expected {len(schedulers)} schedulers, found {len(states)}"
        )
    for scheduler, state in zip(schedulers, states, strict=True):
        scheduler.load_state_dict(state)


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
