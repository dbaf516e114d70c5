"""What was read of large annotation files, kept for the next start.

An entry is an archive of plain arrays (nothing is unpickled) in ``$POSEKIT_HOME/annotations``, by default
``~/.cache/posekit/annotations``. Its name is the SHA-256 of the file's bytes, of the loader's settings and of
the code that read it, so that an entry is never of another file, setting or version. Entries are written
whole or not at all; a damaged one, or a folder that cannot be written, costs the time that it would have
saved. The ``KEPT`` last used stay. ``POSEKIT_ANNOTATION_CACHE=0`` turns this off.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import posekit
from posekit.io.downloads import weights_folder
from posekit.io.files import atomic_file, sha256

KEPT = 8
_COLUMNS = "columns"  # the names of the others
_OFF = ("0", "off", "no", "false")
_CODE = (
    "datasets/coco.py",
    "datasets/coco_cache.py",
    "datasets/coco_columns.py",
    "datasets/coco_records.py",
    "datasets/file_cache.py",
    "geometry.py",
    "io/categories.py",
    "io/files.py",
    "io/images.py",
    "io/records.py",
)


def folder() -> Path:
    """Where the entries are; it need not exist yet."""
    return weights_folder().parent / "annotations"


def through_cache(
    path: str, settings: Any, read: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """What ``read`` makes of a file, from the cache if it is there.

    Args:
        path: The file.
        settings: All that ``read`` depends on beside the file, as json takes it.
        read: Reads the file; its errors are the caller's, and nothing is kept then.
    """
    if os.environ.get("POSEKIT_ANNOTATION_CACHE", "").lower() in _OFF:
        return read()
    try:
        checksum = sha256(path)
    except OSError:
        return read()  # which says what is wrong
    entry = folder() / f"{_key(checksum, settings)}.npz"
    found = _load(entry)
    if found is not None:
        return found
    arrays = read()
    plain = not any(array.dtype.hasobject for array in arrays.values())  # whole numbers beyond 64 bits
    if plain and sha256(path) == checksum:  # not written to meanwhile
        _store(entry, arrays)
    return arrays


def _key(checksum: str, settings: Any) -> str:
    stated = json.dumps([checksum, settings, posekit.__version__, _code()], default=repr)
    return hashlib.sha256(stated.encode("utf-8")).hexdigest()


@functools.cache
def _code() -> str:
    """The checksum of the source that an entry depends on."""
    package = Path(posekit.__file__).parent
    return hashlib.sha256(b"".join((package / name).read_bytes() for name in _CODE)).hexdigest()


def _load(entry: Path) -> dict[str, np.ndarray] | None:
    if not entry.is_file():
        return None
    try:
        with np.load(entry, allow_pickle=False) as archive:  # zip's checksums are compared
            found = {name: archive[name] for name in archive.files}
        columns = json.loads(found.pop(_COLUMNS).tobytes())
        if sorted(found) != columns:  # a directory that is damaged may lack some
            raise ValueError(f"expected the arrays {columns}, found {sorted(found)}")
    except Exception as error:  # damaged bytes fail zip, numpy and tokenizer, each in its own way
        warnings.warn(f"{entry}: is damaged, and the annotation is read again: {error!s:.200}", stacklevel=4)
        return None
    with contextlib.suppress(OSError):  # somebody else's: it only looks older than it is
        os.utime(entry)
    return found


def _store(entry: Path, arrays: dict[str, np.ndarray]) -> None:
    try:
        with atomic_file(entry) as file, zipfile.ZipFile(file, "w") as archive:
            columns = np.frombuffer(json.dumps(sorted(arrays)).encode("ascii"), np.uint8)
            for name, array in {**arrays, _COLUMNS: columns}.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        used = sorted(entry.parent.glob("*.npz"), key=lambda one: one.stat().st_mtime, reverse=True)
        for old in used[KEPT:]:
            old.unlink(missing_ok=True)
        # What a killed process left behind.
        for left in entry.parent.glob(".*.npz.*.tmp"):
            if time.time() - left.stat().st_mtime > 86400:
                left.unlink(missing_ok=True)
    except OSError as error:
        warnings.warn(
            f"{entry.parent}: cannot be written ({error.strerror or error}), and the annotation will be read "
            "again at the next start; POSEKIT_HOME names another folder, POSEKIT_ANNOTATION_CACHE=0 does "
            "without",
            stacklevel=4,
        )
