"""Files: annotations read with errors that name them, results written whole or not at all.

json (also gzipped) and MATLAB files are read here for loaders and metrics alike. What is written goes beside
its place, is synced, then renamed into it: a process killed at any moment, or a full disk, leaves the file
that was there before untouched. Importing this imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from posekit.errors import DataError


def under(data_root: str | os.PathLike[str], path: str | os.PathLike[str]) -> str:
    """``path`` below ``data_root``; an absolute path or an empty root leaves it as it is."""
    return os.fspath(Path(data_root) / path) if os.fspath(data_root) else os.fspath(path)


def read_json(path: str | os.PathLike[str]) -> Any:
    """The contents of a json file, gzipped or not, which its first bytes tell.

    Raises:
        DataError: If it is missing, unreadable or no json.
    """
    try:
        content = Path(path).read_bytes()
        return json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    except FileNotFoundError as error:
        raise DataError(f"{path}: file not found") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"{path}: cannot be read: {reason}") from error
    # Bad syntax and bad UTF-8, but also an integer of thousands of digits; lists nested as deeply.
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON: {error}") from error


def read_mat(path: str | os.PathLike[str], **options: Any) -> dict[str, Any]:
    """The variables of a MATLAB file (version 7 or older), as ``scipy.io.loadmat`` gives them.

    Raises:
        DataError: If it is missing or no such file.
    """
    import scipy.io  # half a second that only .mat users should pay

    if not Path(path).is_file():
        raise DataError(f"{path}: file not found")
    try:
        variables = scipy.io.loadmat(os.fspath(path), appendmat=False, **options)
    except NotImplementedError as error:
        raise DataError(f"{path}: a MATLAB v7.3 (HDF5) file; expected version 7 or older") from error
    except Exception as error:  # scipy raises many kinds on damaged bytes; each means the same here
        raise DataError(f"{path}: not a readable MATLAB file: {error}") from error
    found = {name: value for name, value in variables.items() if not name.startswith("__")}
    if not found:  # cut off behind its header of 128 bytes, a file still reads
        raise DataError(f"{path}: a MATLAB file without variables; is it truncated?")
    return found


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Opens a temporary file in ``path``'s folder that replaces ``path`` when the block ends well.

    Args:
        path: The file to write; its folder is made if missing.

    Raises:
        OSError: If the folder cannot be written or the disk is full; ``path`` is left as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file atomically."""
    with atomic_file(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Writes an indented JSON file atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself durable; a system without folder handles (Windows) has none to sync."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
