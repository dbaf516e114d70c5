"""The beginning of a run: its folder, faults told as faults of the config, a failed start taken back."""

from __future__ import annotations

import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from posekit.engine.checkpoints.files import resume_words
from posekit.engine.processes.group import everyone_ends
from posekit.errors import ConfigError, LostProcessError, PosekitError
from posekit.parallel import rank


def make_work_dir(path: str | Path) -> list[Path]:
    """Makes an output folder and tries it out.

    Returns:
        The folders that were made, innermost first.

    Raises:
        ConfigError: If it cannot be made, or nothing can be written to it.
    """
    path, missing = Path(path).absolute(), []
    try:
        for folder in (path, *path.parents):
            if not folder.exists():
                missing.append(folder)
            elif not folder.is_dir():
                raise ConfigError(f"work directory {path}: {folder} is a file, expected a folder")
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):  # the one test that holds for every kind of file system
            pass
    except OSError as error:
        remove_if_empty(missing)
        raise ConfigError(f"work directory {path}: cannot be written: {error.strerror or error}") from error
    return missing


def remove_if_empty(folders: Sequence[Path]) -> None:
    """Removes folders, innermost first, up to the first that holds something or is not there."""
    for folder in folders:
        if not folder.is_dir() or any(folder.iterdir()):
            return
        folder.rmdir()


@contextmanager
def guarded(runner: Any) -> Iterator[None]:
    """Takes a start that fails back, says what an interrupted run leaves, and ends its data workers.

    Args:
        runner: A ``PoseRunner``, perhaps one whose constructor is still at work.

    Raises:
        ConfigError: If the GPU's memory does not suffice.
        LostProcessError: If a data-loading process or another process of the job has ended.
    """
    try:
        yield
    except PosekitError:
        # Of several, the last to fail is waited for: it may be writing still.
        if not runner._started and (everyone_ends() or rank() == 0):
            _take_back(runner)
        raise
    except (KeyboardInterrupt, OSError) as error:  # the latter of a disk, mostly, that takes no more logs
        if runner._started and runner.is_training:
            done = f"interrupted, {runner.epoch} of {runner.max_epochs} epochs done"
            words = getattr(error, "strerror", None) or str(error) or done
            runner.logger.warning(f"{words}; {resume_words(runner.work_dir)}")
        raise
    except torch.cuda.OutOfMemoryError as error:
        raise ConfigError(
            "the GPU's memory does not suffice: lower the dataloader's 'batch_size', or train with --amp "
            f"({str(error).partition('. ')[0]})"
        ) from error
    except ValueError as error:  # of evaluators that could not say their scores' names beforehand
        if "multiple evaluation results with the same metric name" not in str(error):
            raise
        raise ConfigError(f"evaluators: {error}") from error
    except RuntimeError as error:
        lost = lost_process(str(error))
        if lost is None:
            raise
        left = f"; {resume_words(runner.work_dir)}" if runner._started else ""
        raise LostProcessError(f"{lost}{left}") from error
    finally:
        _end_workers(runner)


def _take_back(runner: Any) -> None:
    """Removes the log folder of a run that did not begin, and the folders made for it if now empty."""
    if hasattr(runner, "logger"):
        runner.close()
    if hasattr(runner, "_log_dir"):
        shutil.rmtree(runner.log_dir, ignore_errors=True)
    remove_if_empty(runner._made)


def _end_workers(runner: Any) -> None:
    """Ends the data-loading processes of a run that is over.

    Left to Python's own ending they are sent SIGTERM, and waited for, which they outlive for a while
    (:func:`posekit.engine.processes.signals.init_worker`).
    """
    for stage in ("train", "val", "test"):
        loader = getattr(getattr(runner, f"_{stage}_loop", None), "dataloader", None)
        workers = getattr(loader, "_iterator", None)  # those that persist; others went with their epoch
        if loader is not None and workers is not None:
            workers._shutdown_workers()
            loader._iterator = None


def lost_process(message: str) -> str | None:
    """Whether an error of torch's means that another process has ended, in words; None if not."""
    if found := re.search(r"DataLoader worker \(pid\(?s?\)? ?([\d, ]+)\) (.*)", message):
        return (
            f"data-loading process {found.group(1)} {found.group(2).partition('. ')[0].rstrip('.')}. "
            "If it was 'Killed', memory ran out: lower the dataloader's 'num_workers' or 'prefetch_factor'"
        )
    # What gloo and nccl say when the process at the other end of a connection is gone.
    gone = r"closed by peer|Connection (?:reset|refused)|Broken pipe|remote process exited|Socket Timeout"
    if re.search(gone, message):
        reason = message.strip().splitlines()[0]
        return f"another process of this job has ended; its own message says why ({reason[:200]})"
    return None


@contextmanager
def faults_of(section: str, source: str | None) -> Iterator[None]:
    """Turns what torch and mmengine raise on a wrong argument into an error that names the section.

    Raises:
        ConfigError: In place of a TypeError, ValueError or AssertionError.
    """
    try:
        yield
    except PosekitError:
        raise
    except (TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"config {source or '(Python)'}: {section}: {error}") from error


@contextmanager
def warnings_to(logger: Any) -> Iterator[None]:
    """Sends the warnings that are meant for users to the log."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def log(message: Any, category: type[Warning], *where: Any, **options: Any) -> None:
            if issubclass(category, UserWarning):
                logger.warning(str(message))
            else:
                show(message, category, *where, **options)

        warnings.showwarning = log  # type: ignore[assignment]
        yield
