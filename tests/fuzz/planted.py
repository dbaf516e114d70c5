"""Readers that let their input escape, one for each kind of escape: does the guard see it?"""

from __future__ import annotations

import ctypes
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from posekit.errors import DataError

from .readers import Reader


def _refuse(path: Path) -> None:
    raise DataError(f"{path}: field 'x' is wrong")


def _refuse_anonymously(path: Path) -> None:
    raise DataError("some file is wrong")


def _swallow_memory(path: Path) -> None:
    try:
        bytearray(16 << 30)
    except MemoryError as error:
        raise DataError(f"{path}: damaged (MemoryError)") from error


def _grow_and_let_go(path: Path) -> None:
    bytearray(400_000_000)[::4096] = bytes(97657)


def _hang(path: Path) -> None:
    while True:
        pass


def _open_by_c(path: Path) -> None:
    """As a library would that is not Python's: no audit event tells of it."""
    library = ctypes.pythonapi
    library.fopen.restype = ctypes.c_void_p
    if (file := library.fopen(os.fsencode(path.parent / "linked" / "a.png"), b"rb")) is not None:
        library.fclose(ctypes.c_void_p(file))


class _Call:
    def __reduce__(self) -> Any:
        return os.getcwd, ()


def _reader(name: str, read: Callable[[Path], Any], seconds: float = 10.0) -> Reader:
    return Reader(name, ".json", lambda: [b"{}"], read, seconds=seconds)


# The reader, and what the guard must say; "": nothing.
PLANTED = [
    (_reader("a result", lambda path: path.read_bytes()), ""),
    (_reader("a refusal", _refuse), ""),
    (_reader("another exception", lambda path: 1 / 0), "ZeroDivisionError"),
    (_reader("names no file", _refuse_anonymously), "does not name the file"),
    (_reader("swallowed memory", _swallow_memory), "ran out of memory"),
    (_reader("grows and lets go", _grow_and_let_go), "memory grew"),
    (_reader("hangs", _hang, seconds=0.5), "the process died: SIGPROF"),
    (_reader("crashes", lambda path: ctypes.string_at(0)), "the process died: SIG"),
    (_reader("exits", lambda path: os._exit(0)), "the process died"),
    (_reader("reads a file", lambda path: Path("../outside/a.json").read_text()), "reached out"),
    (_reader("reads by C", _open_by_c), "reached out: "),
    (_reader("lists a folder", lambda path: next(Path("/etc").iterdir())), "reached out"),
    (_reader("writes a file", lambda path: Path("../outside/new").write_text("")), "reached out"),
    (_reader("removes a file", lambda path: Path("../outside/none").unlink(missing_ok=True)), "reached out"),
    (_reader("starts a program", lambda path: subprocess.run(["true"], check=True)), "reached out"),
    (_reader("os.system", lambda path: os.system("true")), "os.system"),
    (_reader("forks", lambda path: os.fork() or os._exit(0)), "reached out"),
    (
        _reader("unpickles", lambda path: pickle.loads(pickle.dumps(_Call()))),
        "pickle.find_class",
    ),
    (
        _reader("connects", lambda path: __import__("socket").create_connection(("127.0.0.1", 9))),
        "reached out",
    ),
]
