"""Reads one mutated file under guard, and says whether the outcome is one that is allowed.

Allowed: a result, or a PosekitError whose message is short and names the file. Anything else is an escape:
another exception, a file opened outside the folder, a program started, an address connected to, more than
500 MB of memory, and, seen by the parent process, a crash or more than ten seconds of CPU time.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from .readers import Reader

CPU_SECONDS, WALL_SECONDS = 10, 120
GROWTH_KB = 500_000
ROOM = 4 << 30  # of address space: what is reserved and never touched is no growth
_FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "subprocess.Popen",
    "pty.spawn",
    "socket.connect",
    "socket.getaddrinfo",
    "urllib.Request",
    "ftplib.connect",
    "webbrowser.open",
    "ctypes.dlopen",
    "os.fork",
    "os.forkpty",
)
_ALLOWED_ROOTS = tuple(
    {
        str(Path(root).resolve())
        for root in (
            sys.prefix,
            sys.base_prefix,
            "/proc/self",
            "/sys",
            "/usr/lib",
            "/dev/null",
            "/dev/urandom",
            Path(__file__).resolve().parents[2],
            *filter(None, sys.path),
        )
    }
)
_watched: dict[str, Any] = {"folder": None, "found": []}


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched["folder"] is None:
        return
    if event == "os.listdir" and sys._getframe(1).f_code.co_filename.startswith("<frozen importlib"):
        return  # looks for a module
    if event in _FORBIDDEN:
        _watched["found"].append(f"{event} {arguments!r:.200}")
    elif event in ("open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.mkdir", "os.symlink"):
        _check_path(event, arguments[0])


def _check_path(event: str, path: Any) -> None:
    if not isinstance(path, (str, bytes)):
        return
    name = path.decode("utf-8", "replace") if isinstance(path, bytes) else path
    if "\0" in name:
        return
    try:
        resolved = str(Path(name).resolve())
    except OSError:  # too long a name: nothing was opened
        return
    if not resolved.startswith((_watched["folder"], *_ALLOWED_ROOTS)):
        _watched["found"].append(f"{event} {resolved}")


def start_watching() -> None:
    """Installs the audit hook, once per process."""
    if not _watched.get("installed"):
        sys.addaudithook(_audit)
        _watched["installed"] = True


def limit_process() -> None:
    """Of a child process: memory, and a signal that ends it where an input takes too long."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def arm(on: bool) -> None:
    """Starts or stops the clocks of one input."""
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS if on else 0)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS if on else 0)


def escape_of(reader: Reader, content: bytes, folder: Path) -> str | None:
    """What is wrong about the outcome of one input; None if it is allowed.

    Args:
        reader: The reader.
        content: The mutated file.
        folder: An empty one, with what ``reader.prepare`` wrote.
    """
    from posekit.errors import PosekitError

    path = folder / f"input{reader.suffix}"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _watched.update(folder=str(folder.resolve()), found=[])
    problem = None
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
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if grown > GROWTH_KB:
        problem = f"memory grew by {grown // 1000} MB ({problem})"
    if _watched["found"]:
        problem = f"reached out: {_watched['found'][:3]}"
    return problem


def read_valid(reader: Reader, valid: Any, folder: Path) -> None:
    """Reads a file that is as it should be; raises what the reader raises."""
    path = folder / f"input{reader.suffix}"
    path.write_bytes(valid if isinstance(valid, bytes) else json.dumps(valid).encode())
    reader.read(path)


def _message_problem(message: str, path: Path) -> str | None:
    if "input." not in message:
        return f"the message does not name the file: {message[:300]}"
    if len(message) > 4000:
        return f"a message of {len(message)} characters: {message[:300]}"
    if "MemoryError" in message or "bad_alloc" in message or "allocate memory" in message:
        return f"it ran out of memory: {message[:300]}"
    return None


def working_folder(reader: Reader) -> tempfile.TemporaryDirectory[str]:
    """A folder in memory where there is one, with the reader's other files."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = tempfile.TemporaryDirectory(prefix="posekit_fuzz_", dir=place)
    reader.prepare(Path(folder.name))
    return folder
