"""Reads one mutated file under guard, and says whether the outcome is one that is allowed.

Allowed: a result, or a PosekitError whose message is short and names the file. Anything else is an escape:
another exception; a file outside the folder opened, written or removed, which Python tells of itself and
C code (OpenCV, FFmpeg, safetensors) is caught at by inotify, where the system has it, in the folder beside
that the inputs name; a class looked up by an ordinary unpickler; a program started; an address connected to;
more than 300 MB of memory; and, seen by the parent process, a crash or more than ten seconds of CPU time.
``python -m tests.fuzz --self-test`` plants one of each.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import samples
from .arrays import Made
from .mutate import OUTSIDE
from .readers import Reader

CPU_SECONDS, WALL_SECONDS = 10.0, 120.0
GROWTH_KB = 300_000
ROOM = 4 << 30  # of address space: what is reserved and never touched is no growth
_FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.fork",
    "os.forkpty",
    "os.kill",
    "os.chdir",
    "os.putenv",
    "subprocess.Popen",
    "pty.spawn",
    "shutil.rmtree",
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "urllib.Request",
    "ftplib.connect",
    "webbrowser.open",
    "ctypes.dlopen",
    "pickle.find_class",
)
_PATHS = (  # events whose first one or two arguments are paths that are changed
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.utime",
    "os.chmod",
    "os.chown",
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ROOT = Path(__file__).resolve().parents[2]
_READABLE = tuple(
    f"{Path(root).resolve()}{os.sep}"
    for root in (
        sys.prefix,
        sys.base_prefix,
        "/proc/self",
        "/sys",
        "/usr/lib",
        *(_ROOT / name for name in ("posekit", "configs", "tests", "tools")),
        *(path for path in sys.path if path.endswith("-packages")),
    )
)
_DEVICES = ("/dev/null", "/dev/urandom")
_watched: dict[str, Any] = {"folder": None, "found": []}


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched["folder"] is None:
        return
    if event == "os.listdir" and sys._getframe(1).f_code.co_filename.startswith("<frozen importlib"):
        return  # looks for a module
    if event in _FORBIDDEN:
        _watched["found"].append(f"{event} {arguments!r:.200}")
    elif event == "open":
        _check_path(event, arguments[0], bool((arguments[2] or 0) & _WRITES))
    elif event in ("os.listdir", "os.scandir"):
        _check_path(event, arguments[0], False)
    elif event in _PATHS:
        for path in arguments[:2]:
            _check_path(event, path, True)


def _check_path(event: str, path: Any, writes: bool) -> None:
    if not isinstance(path, (str, bytes)):
        return
    name = path.decode("utf-8", "replace") if isinstance(path, bytes) else path
    if "\0" in name:
        return
    try:
        resolved = str(Path(name).resolve())
    except (OSError, RuntimeError):  # too long a name, or a circle of links: nothing was opened
        return
    inside = f"{resolved}{os.sep}".startswith(_watched["folder"])
    readable = resolved.startswith(_READABLE) and not (writes and not resolved.endswith(".pyc"))
    if not (inside or readable or resolved in _DEVICES or "__pycache__" in resolved):
        _watched["found"].append(f"{event} {resolved}")


class Beside:
    """The folder beside the one that is read: nothing may touch it, C code included."""

    def __init__(self, folder: Path) -> None:
        self.path = folder.parent / "outside"
        self._there = self.path.is_dir()
        self._before = self._names()
        self._watch = _inotify(self.path) if self._there else None

    def _names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir()) if self._there else []

    def touched(self) -> str:
        """What happened to it since this was last asked; "" if nothing did."""
        if self._watch is None:
            return "" if self._names() == self._before else f"new files in {self.path.name}"
        with contextlib.suppress(BlockingIOError):
            return f"{len(os.read(self._watch, 1 << 16))} bytes of events in {self.path.name}"
        return ""


def _inotify(folder: Path) -> int | None:
    """A descriptor that tells of every file opened, made or removed in a folder; None where there is none."""
    try:
        # All events but that a file was closed.
        library = ctypes.CDLL(None, use_errno=True)
        watch = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if watch < 0 or library.inotify_add_watch(watch, os.fsencode(folder), 0x3E7) < 0:
            return None
    except (OSError, AttributeError):
        return None
    return int(watch)


def start_watching() -> None:
    """Installs the audit hook, once per process."""
    if not _watched.get("installed"):
        sys.addaudithook(_audit)
        _watched["installed"] = True


def one_thread() -> None:
    """Of the parent process, which imports here what its children would each import anew."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def limit_process() -> None:
    """Of a child process: its memory, and no core files."""
    one_thread()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def arm(seconds: float) -> None:
    """Starts the clocks of one input, of CPU time and a longer one of the wall; 0 stops them."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS if seconds else 0)


class _Memory:
    """How much a process grows from here on, in kB; of one input, not of the greediest so far."""

    def __init__(self) -> None:
        self._path = Path("/proc/self/clear_refs")
        if self._path.exists():
            self._path.write_text("5")  # the peak is what there is now
        self._start = self._peak()

    def _peak(self) -> int:
        status = Path("/proc/self/status")
        if not status.exists():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(status.read_text().partition("VmHWM:")[2].split()[0])

    def grown(self) -> int:
        return self._peak() - self._start


def escape_of(reader: Reader, content: bytes, folder: Path, beside: Beside | None = None) -> str | None:
    """What is wrong about the outcome of one input; None if it is allowed.

    Args:
        reader: The reader.
        content: The mutated file.
        folder: With what ``reader.prepare`` wrote.
        beside: Of the folder; None: a new one.
    """
    from posekit.errors import PosekitError

    beside = beside or Beside(folder)
    path = folder / f"input{reader.suffix}"
    path.write_bytes(content.replace(OUTSIDE.encode(), os.fsencode(folder.parent / "outside")))
    memory, problem = _Memory(), None
    _watched.update(folder=f"{folder.resolve()}{os.sep}", found=[])
    try:
        reader.read(path)
    except PosekitError as error:
        problem = _message_problem(str(error), path)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic of Rust is no Exception
        frames = "".join(traceback.format_tb(error.__traceback__)[-4:])
        problem = f"{type(error).__name__}: {error!s:.300}\n{frames}"
    _watched["folder"] = None
    if (grown := memory.grown()) > GROWTH_KB:
        problem = f"memory grew by {grown // 1000} MB ({problem})"
    if _has_children():
        problem = "reached out: it started a process"
    if touched := beside.touched():
        problem = f"reached out: {touched}"
    if _watched["found"]:
        problem = f"reached out: {_watched['found'][:3]}"
    return problem


def _has_children() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG) is not None
    except ChildProcessError:
        return False


def read_valid(reader: Reader, valid: Any, folder: Path) -> None:
    """Reads a file that is as it should be; raises what the reader raises."""
    path = folder / f"input{reader.suffix}"
    content = valid.packed() if isinstance(valid, Made) else valid
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    reader.read(path)


def _message_problem(message: str, path: Path) -> str | None:
    # Or of the links and the pipe beside it the one that it names.
    if not any(name in message for name in ("input.", "data/link", "data/pipe.jpg", "data/zero.jpg")):
        return f"the message does not name the file: {message[:300]}"
    if len(message) > 4000:
        return f"a message of {len(message)} characters: {message[:300]}"
    if "MemoryError" in message or "bad_alloc" in message or "allocate memory" in message:
        return f"it ran out of memory: {message[:300]}"
    return None


@contextlib.contextmanager
def working_folder(reader: Reader) -> Iterator[Path]:
    """A folder, in memory where that can be, with the reader's other files, links that lead out, a pipe.

    Beside it lies ``outside``, with files that nothing may read.
    """
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="posekit_fuzz_", dir=place) as name:
        folder, outside = Path(name, "data"), Path(name, "outside")
        for made in (folder, outside):
            made.mkdir()
        (outside / "a.png").write_bytes(samples.picture(".png"))
        (outside / "a.json").write_text(json.dumps(samples.coco()))
        (folder / "link.png").symlink_to(outside / "a.png")
        (folder / "linked").symlink_to(outside)
        (folder / "zero.jpg").symlink_to("/dev/zero")
        if hasattr(os, "mkfifo"):
            os.mkfifo(folder / "pipe.jpg")
        reader.prepare(folder)
        yield folder
