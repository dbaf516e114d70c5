"""What the command-line tools share: options, and errors as one message without a traceback."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import re
import select
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from posekit.engine.processes.signals import Stopped, die_with_parent, handling_signals, stop
from posekit.errors import ConfigError, PosekitError
from posekit.machine import keep_freed_memory

if TYPE_CHECKING:
    from posekit.engine.configs.config import PoseConfig

CRASHED = 1
FAILED = 2
PARTLY = 3  # some of the inputs could not be used; the others were
INTERRUPTED = 130
UNREAD = 141  # as a shell says of SIGPIPE
# What a disk does to a program that has no fault: full, over quota, read-only, broken.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def run_tool(main: Callable[[], int | None]) -> None:
    """Runs a tool and exits: 0 if all went well, 2 with a message on what the user can mend."""
    keep_freed_memory()
    for stream in (sys.stdout, sys.stderr):
        # A file's name need not be UTF-8, nor the terminal: nothing that is said may end the work.
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _status_of(main)
    except Exception:
        if not _of_several():
            raise
        print(f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} failed:", file=sys.stderr)
        traceback.print_exc()
        status = CRASHED
    if group := _group():
        group.finish(status)
    sys.exit(status)


def _group() -> Any:
    """What joins several processes, if it was needed so far: importing it takes seconds."""
    return sys.modules.get("posekit.engine.processes.group")


def _status_of(main: Callable[[], int | None]) -> int:
    try:
        # The program unwinds as after Ctrl-C, so that half-written files are removed on the way.
        with handling_signals(stop):
            status = main() or 0
            if sys.stdout is not None:  # None where it was closed
                sys.stdout.flush()
            return status
    except PosekitError as error:
        words = message_of(error)
        if group := _group():  # of several processes with the same error, the first tells it
            group.tell(error, words)
        else:
            print(f"error: {words}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        if not _unread():  # another pipe: a worker's, or a subprocess's
            raise
        return UNREAD
    except OSError as error:
        if error.errno not in _DISK:
            raise
        where = error.filename or "the output"
        print(f"error: {where}: cannot be written: {error.strerror}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as error:
        if not _of_several() or os.environ["RANK"] == "0":
            print(str(error) or "interrupted", file=sys.stderr)
        return error.status if isinstance(error, Stopped) else INTERRUPTED


def _unread() -> bool:
    """Whether nobody reads standard output any more, as ``head`` that has had enough; it is silent then."""
    try:
        output = sys.stdout.fileno()
    except (AttributeError, OSError):  # closed, or no file
        return False
    if not hasattr(select, "poll"):  # Windows
        return False
    asked = select.poll()
    asked.register(output, 0)  # errors are told without being asked for
    if not any(event & select.POLLERR for _, event in asked.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


def _of_several() -> bool:
    return _group() is not None and _group().world_size() > 1


def start_processes(launcher: str) -> None:
    """Meets the job's other processes, if it has any; before anything that can fail, to fail once."""
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    if by_torchrun:
        die_with_parent()  # killed, it does not end its processes; now, for torch's import takes seconds
    if launcher != "none" or by_torchrun:
        from posekit.engine.processes.group import connect

        connect(launcher)


def message_of(error: PosekitError) -> str:
    """An error's message; if a data loading process raised it, without that process's traceback."""
    text = str(error)
    if "Original Traceback" not in text:
        return text
    # torch puts the worker's whole traceback into the message; its last part is the error's own line.
    return re.split(r"\n(?:\w+\.)*\w*Error: ", text)[-1].strip()


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--work-dir``, ``--cfg-options`` and ``--launcher``."""
    parser.add_argument("--work-dir", metavar="D", help="output folder (default: work_dirs/<config name>)")
    add_cfg_options(parser)
    launchers, words = ["none", "pytorch", "slurm"], "how processes were started"
    parser.add_argument("--launcher", choices=launchers, default="none", help=words)


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--resume`` and ``--seed``, and the common options; :func:`run_training` reads them."""
    words = "continue from PATH, or from the newest good checkpoint of the work directory"
    parser.add_argument("--resume", nargs="?", const=True, metavar="PATH", help=words)
    words = "random seed (default: that of what is resumed, else the config's)"
    parser.add_argument("--seed", type=int, metavar="N", help=words)
    words = "log to TensorBoard as well: tensorboard --logdir DIR (needs posekit[loggers])"
    parser.add_argument("--tensorboard", action="store_true", help=words)
    words = "multiply the learning rate by effective batch / the config's auto_scale_lr.base_batch_size"
    parser.add_argument("--auto-scale-lr", action="store_true", help=words)
    add_common_options(parser)


def run_training(
    args: argparse.Namespace, cfg: PoseConfig, options: Mapping[str, Any], amp: bool = False
) -> None:
    """Trains a config as the options of :func:`add_training_options` say.

    Args:
        args: Parsed, with ``config``.
        cfg: From :func:`posekit.engine.configs.config.load_config`.
        options: The ``--cfg-options``, parsed; a seed among them counts as one that was asked for.
        amp: Train in mixed precision.

    Raises:
        ConfigError: If the config has nothing to train.
    """
    # Imported late, so that --help answers at once.
    from posekit.engine.optim import MixedPrecisionOptimWrapper
    from posekit.engine.runner import PoseRunner

    if cfg.get("train_cfg") is None:
        raise ConfigError(f"config {args.config}: there is nothing to train, 'train_cfg' is missing")
    cfg.work_dir = work_dir(args.work_dir, cfg.get("work_dir"), args.config)
    cfg.launcher = args.launcher
    if amp:
        cfg.optim_wrapper.type = MixedPrecisionOptimWrapper
    if args.auto_scale_lr:
        cfg.auto_scale_lr = {**(cfg.get("auto_scale_lr") or {}), "enable": True}
    if args.tensorboard:
        stated = cfg.get("loggers") or []
        cfg.loggers = [*(stated if isinstance(stated, (list, tuple)) else [stated]), "tensorboard"]
    choose_resume(cfg, args.resume)
    seed = args.seed if args.seed is not None else options.get("randomness.seed")
    PoseRunner.from_cfg(cfg, seed).train()


def choose_resume(cfg: PoseConfig, asked: str | bool | None) -> None:
    """Sets what a training goes on from: what ``--resume`` says, or, in a job begun again, its own newest.

    A job that was begun with ``--resume PATH`` and is begun again goes on from its own newest, too. With
    nothing there yet to resume from, it begins as the config says, from its ``load_from`` too.
    """
    from posekit.engine.checkpoints.files import resume_candidates
    from posekit.engine.processes.launched import restarted
    from posekit.parallel import on_main

    begun, own = on_main(lambda: [restarted(cfg.work_dir), bool(resume_candidates(cfg.work_dir))])
    if own and (begun or asked is True):
        cfg.resume, cfg.load_from = True, None
    elif isinstance(asked, str):
        cfg.resume, cfg.load_from = True, asked
    elif begun or asked is not None:
        cfg.resume = cfg.get("load_from") is None


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--cfg-options``."""
    words = "override config entries by dotted key, e.g. train_dataloader.batch_size=8"
    parser.add_argument(
        "--cfg-options", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=words
    )


def work_dir(given: str | None, configured: str | None, config: str) -> str:
    """The output folder: the option, the config's own, or ``work_dirs/<config name>``."""
    return given or configured or str(Path("work_dirs") / Path(config).stem)


@contextlib.contextmanager
def only_json_on_stdout(asked: bool) -> Iterator[TextIO]:
    """Keeps stdout for what programs read: within the block, everything that is printed goes to stderr.

    Args:
        asked: Whether it is to be so; else nothing changes.

    Yields:
        The true stdout.
    """
    stdout = sys.stdout
    with contextlib.redirect_stdout(sys.stderr if asked else stdout):
        yield stdout


def require_writable(folder: Path, option: str = "--out") -> None:
    """Makes an output folder where it is missing, before hours are spent on what goes into it.

    Raises:
        ConfigError: If nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"{option}: nothing can be written to the folder {folder}: {error.strerror or error}"
        ) from error


def named_runs(runs: Sequence[str], names: Sequence[str] | None = None) -> dict[str, str]:
    """Name -> path, in the order of the command line: the names stated, or what tells the paths apart.

    Raises:
        ConfigError: If there are not as many different names as paths, or a path is there twice.
    """
    names = names or short_names(runs)
    if len(names) != len(runs) or len(set(names)) != len(names):
        raise ConfigError(f"--names: expected {len(runs)} different names, found {', '.join(names)}")
    return dict(zip(names, runs, strict=True))


def short_names(runs: Sequence[str]) -> list[str]:
    """The last parts of paths that tell them apart; of a scalars.json work directory and log folder."""
    parts = []
    for run in runs:
        path = Path(run).resolve()
        if path.name == "scalars.json" and path.parent.name == "vis_data":
            work_dir, started = path.parents[2], path.parents[1].name
            parts.append((*work_dir.parts[:-1], f"{work_dir.name}/{started}"))
        else:
            parts.append(path.parts)
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-count:]) for part in parts]
        if len(set(names)) == len(names):
            break
    else:
        raise ConfigError(f"the same is named twice: {', '.join(runs)}")
    return names
