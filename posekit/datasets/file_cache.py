"""What was read of large annotation files, kept for the next start.

An entry is plain arrays one after another (nothing is unpickled) and their checksum, a file in
``$POSEKIT_HOME/annotations``, by default ``~/.cache/posekit/annotations``. Its name is the SHA-256 of the
files' bytes, of the loader's settings and of the code that read them, so that an entry is never of another
file, setting or version, whatever a file's date says. Entries are written whole or not at all; a damaged one,
or a folder that cannot be written, costs the time that it would have saved. The ``KEPT`` last used stay.
``POSEKIT_ANNOTATION_CACHE=0`` turns this off.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import os
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import posekit
from posekit.io.downloads import weights_folder
from posekit.io.files import atomic_file, sha256

Made = TypeVar("Made")

KEPT = 8
_SUFFIX = ".arrays"
_ALIGNED, _CHECKSUM = 64, 4  # bytes
_OFF = ("0", "off", "no", "false")
_CODE = ("geometry.py", "datasets/*.py", "io/*.py")


def folder() -> Path:
    """Where the entries are; it need not exist yet."""
    return weights_folder().parent / "annotations"


class FileCache:
    """The entry of some files, read with some settings.

    Args:
        paths: The files.
        settings: All that is made of them depends on beside them, as json takes it.
    """

    def __init__(self, paths: Sequence[str], settings: Any) -> None:
        self._paths = paths
        self._entry = None
        if os.environ.get("POSEKIT_ANNOTATION_CACHE", "").lower() not in _OFF:
            self._checksums = _checksums(paths)
            with contextlib.suppress(OSError, RuntimeError):  # a user without a home has no folder
                if self._checksums is not None:
                    self._entry = folder() / f"{_key(self._checksums, settings)}{_SUFFIX}"

    def load(self, make: Callable[[dict[str, np.ndarray]], Made]) -> Made | None:
        """What ``make`` makes of the arrays that are kept; None if there are none, or they are damaged."""
        entry = self._entry
        if entry is None or not os.path.isfile(entry):  # noqa: PTH113 (False, too, in a closed folder)
            return None
        try:
            with entry.open("rb") as file:
                content = bytearray(os.fstat(file.fileno()).st_size)
                file.readinto(content)
            made = make(_unpacked(content))
        except FileNotFoundError:  # another process has just removed it
            return None
        except Exception as error:  # bytes that somebody else wrote fail each in their own way
            warnings.warn(
                f"{entry}: is damaged, and the annotation is read again: {error!s:.200}", stacklevel=3
            )
            return None
        with contextlib.suppress(OSError):  # somebody else's: it only looks older than it is
            os.utime(entry)
        return made

    def store(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keeps arrays, unless a file was written to, or removed, meanwhile."""
        if self._entry is None or _checksums(self._paths) != self._checksums:
            return
        entries = self._entry.parent
        try:
            with atomic_file(self._entry) as file:
                checksum = 0
                for part in _packed(arrays):
                    checksum = zlib.crc32(part, checksum)
                    file.write(part)
                file.write(checksum.to_bytes(_CHECKSUM, "little"))
            _tidy(entries)
        except OSError as error:
            warnings.warn(
                f"{entries}: cannot be written ({error.strerror or error}), and the annotation will be read "
                "again at the next start; POSEKIT_HOME names another folder, POSEKIT_ANNOTATION_CACHE=0 "
                "does without",
                stacklevel=3,
            )


def _checksums(paths: Sequence[str]) -> list[str] | None:
    """The files' SHA-256; None if one cannot be read: whoever reads it says what is wrong."""
    with contextlib.suppress(OSError):
        return [sha256(path) for path in paths]
    return None


def _tidy(entries: Path) -> None:
    """Removes all but the ``KEPT`` last used entries, and what killed processes left behind."""
    used = sorted(entries.glob(f"*{_SUFFIX}"), key=_last_used, reverse=True)
    left = [path for path in entries.glob(f".*{_SUFFIX}.*.tmp") if time.time() - _last_used(path) > 86400]
    for old in [*used[KEPT:], *left]:
        with contextlib.suppress(OSError):  # somebody else's, or gone: others tidy as well
            old.unlink()


def _last_used(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _packed(arrays: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    """A line of json that says what follows, then each array, all filled up to ``_ALIGNED`` bytes."""
    stated = {name: [array.dtype.str, array.shape] for name, array in arrays.items()}
    yield from _filled(json.dumps(stated).encode("ascii") + b"\n")
    for array in arrays.values():
        yield from _filled(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _filled(part: bytes | memoryview) -> tuple[bytes | memoryview, bytes]:
    return part, bytes(-len(part) % _ALIGNED)


def _unpacked(content: bytearray) -> dict[str, np.ndarray]:
    """The arrays of an entry's bytes, which they share.

    Raises:
        ValueError: If its checksum is another, or what it states is not there.
    """
    end = len(content) - _CHECKSUM
    if zlib.crc32(memoryview(content)[:end]) != int.from_bytes(content[end:], "little"):
        raise ValueError("its checksum is another")
    start = content.index(b"\n") + 1
    arrays = {}
    for name, (kind, shape) in json.loads(content[:start]).items():
        start += -start % _ALIGNED
        arrays[name] = np.frombuffer(content, kind, math.prod(shape), start).reshape(shape)
        start += arrays[name].nbytes
    return arrays


def _key(checksums: list[str], settings: Any) -> str:
    stated = json.dumps([checksums, settings, posekit.__version__, _code()], default=repr)
    return hashlib.sha256(stated.encode("utf-8")).hexdigest()


@functools.cache
def _code() -> str:
    """The checksum of the source that an entry depends on."""
    package = Path(posekit.__file__).parent
    files = [path for name in _CODE for path in sorted(package.glob(name))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
