"""What the command-line tools share: options, and errors as one message without a traceback."""

from __future__ import annotations

import argparse
import contextlib
import errno
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit.errors import ConfigError, PosekitError

if TYPE_CHECKING:
    from posekit.engine.config import PoseConfig

FAILED = 2
INTERRUPTED = 130
TERMINATED = 143
# What a disk does to a program that has no fault: full, over quota, read-only, broken.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM, as clusters do some time before they kill."""


def run_tool(main: Callable[[], int | None]) -> None:
    """Runs a tool and exits: 0 if all went well, 2 with a message on what the user can mend."""
    try:
        with terminable():
            status = main() or 0
    except PosekitError as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        status = FAILED
    except OSError as error:
        if error.errno not in _DISK:
            raise
        print(
            f"error: {error.filename or 'the output'}: cannot be written: {error.strerror}", file=sys.stderr
        )
        status = FAILED
    except KeyboardInterrupt as error:
        print("interrupted", file=sys.stderr)
        status = TERMINATED if isinstance(error, Terminated) else INTERRUPTED
    sys.exit(status)


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM unwinds the program like Ctrl-C, so that half-written files are removed on the way."""

    def end(number: int, frame: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


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
    parser.add_argument(
        "--launcher", choices=["none", "pytorch", "slurm"], default="none", help="how processes were started"
    )


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--resume`` and ``--seed``, and the common options; :func:`run_training` reads them."""
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        default=None,
        metavar="PATH",
        help="continue from PATH, or from the newest good checkpoint of the work directory",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="random seed (default: that of what is resumed, else the config's)",
    )
    add_common_options(parser)


def run_training(
    args: argparse.Namespace, cfg: PoseConfig, options: Mapping[str, Any], amp: bool = False
) -> None:
    """Trains a config as the options of :func:`add_training_options` say.

    Args:
        args: Parsed, with ``config``.
        cfg: From :func:`posekit.engine.config.load_config`.
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
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume is True else args.resume
    seed = args.seed if args.seed is not None else options.get("randomness.seed")
    PoseRunner.from_cfg(cfg, seed).train()


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Adds ``--cfg-options``."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="override config entries by dotted key, e.g. train_dataloader.batch_size=8",
    )


def work_dir(given: str | None, configured: str | None, config: str) -> str:
    """The output folder: the option, the config's own, or ``work_dirs/<config name>``."""
    return given or configured or str(Path("work_dirs") / Path(config).stem)


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
