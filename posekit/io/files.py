"""Files: annotations read with errors that name them, results written whole or not at all.

json (also gzipped) and MATLAB files are read here for loaders and metrics alike, json by orjson where that is
installed: the values and the errors are the same. What is written goes beside
its place, is synced, then renamed into it: a process killed at any moment, or a full disk, leaves the file
that was there before untouched. Importing this imports nothing heavy.

What is packed may unpack to :func:`unpacked_limit`, so that a small file cannot fill the memory; the variable
``POSEKIT_MAX_UNPACKED_MB`` of the environment sets another limit.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from posekit.errors import ConfigError, DataError, shown

try:  # the extra ``fast``
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]

_ALWAYS_UNPACKED = 16 << 20
_LARGEST_UNPACKED = 512 << 20
# Real annotations pack to a twentieth at best, MATLAB's structs of single numbers to an eightieth.
_JSON_RATIO, PACKED_RATIO = 50, 200
_BLOCK = 1 << 20
_SAME_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_BEYOND_64_BITS = b"0" * 19  # -2**63 has as many digits


def under(data_root: str | os.PathLike[str], path: str | os.PathLike[str]) -> str:
    """``path`` below ``data_root``; an absolute path or an empty root leaves it as it is."""
    return os.fspath(Path(data_root) / path) if os.fspath(data_root) else os.fspath(path)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The contents of a file.

    Raises:
        DataError: If it is missing or unreadable.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: file not found") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_json(path: str | os.PathLike[str]) -> Any:
    """The contents of a json file, gzipped or not, which its first bytes tell.

    Raises:
        DataError: If it is missing, unreadable or no json.
    """
    content = read_bytes(path)
    try:
        if content[:2] == b"\x1f\x8b":
            content = _gunzip(content, path)
        return parse_json(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    # Bad syntax and bad UTF-8, but also an integer of thousands of digits; lists nested as deeply.
    except (ValueError, RecursionError) as error:
        from posekit.io.not_json import what_instead  # of sound files nobody asks

        raise DataError(f"{path}: is not JSON: {what_instead(content) or error}") from error


def parse_json(content: bytes) -> Any:
    """The value of a json text.

    A whole number of 300 digits or more, too long for a real one, is infinity: no field takes that for an
    id or a number.

    Raises:
        ValueError: If it is no json, with the words of Python's own reader.
        RecursionError: If it is nested too deeply.
    """
    long = _has_long_integer(content)  # which orjson would take for a real number
    if orjson is not None and not long:
        try:
            return orjson.loads(content)
        except ValueError:
            pass  # Python reads it (NaN, UTF-16, half a surrogate pair), or says what is wrong
    return json.loads(content, parse_int=_integer if long else None)


def _has_long_integer(content: bytes) -> bool:
    """Whether a whole number may need more than 64 bits; a twentieth of a regular expression's time."""
    for start in range(0, len(content), _BLOCK):
        # One byte more on the left, and on the right what a number that begins in the block needs.
        first = max(start - 1, 0)
        block = content[first : start + _BLOCK + len(_BEYOND_64_BITS)].translate(_SAME_DIGITS)
        place = block.find(_BEYOND_64_BITS)
        while place >= 0:
            # After a point it is a fraction, after a digit the rest of what has been looked at.
            if not (block[place - 1] in b".0" if place else first > 0):
                return True
            place = block.find(_BEYOND_64_BITS, place + len(_BEYOND_64_BITS))
    return False


def _integer(text: str) -> int | float:
    return int(text) if len(text) < 300 else float("-inf" if text[0] == "-" else "inf")


def compact_json(value: Any, finite: bool) -> bytes:
    """A value as json without spaces; numpy arrays (C order, 64 bits) within it become lists.

    Args:
        value: Of dicts with text for keys, lists, plain values and arrays.
        finite: Whether all numbers are; NaN and infinities are written as Python writes them.
    """
    if orjson is not None and finite:
        return bytes(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))
    return json.dumps(value, separators=(",", ":"), default=lambda array: array.tolist()).encode("utf-8")


def read_object(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The object of a json file.

    Raises:
        DataError: If it is missing, unreadable, no json or something else than an object.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected an object, found {shown(content)}")
    return content


def _gunzip(content: bytes, path: str | os.PathLike[str]) -> bytes:
    limit = unpacked_limit(len(content), _JSON_RATIO)
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        unpacked = file.read(limit + 1)
    if len(unpacked) > limit:
        raise DataError(f"{path}: {too_large(len(content), limit)}")
    return unpacked


def environment_number(name: str, default: int) -> int:
    """A positive whole number that a variable of the environment sets.

    Raises:
        ConfigError: If it is set to anything else.
    """
    text = os.environ.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 16 and int(text) > 0):
        raise ConfigError(f"{name}: expected a positive whole number, found {text!r:.40}")
    return int(text)


def unpacked_limit(packed: int, ratio: int = PACKED_RATIO) -> int:
    """The bytes that ``packed`` bytes may unpack to: ``ratio`` times as many, from 16 to 512 MiB.

    ``POSEKIT_MAX_UNPACKED_MB``, if set, is the limit for all files.
    """
    usual = min(max(_ALWAYS_UNPACKED, ratio * packed), _LARGEST_UNPACKED)
    return environment_number("POSEKIT_MAX_UNPACKED_MB", 0) << 20 or usual


def too_large(packed: int, limit: int) -> str:
    """The end of the message about a file that unpacks to more than its limit."""
    return (
        f"its {packed:,} bytes unpack to more than {limit >> 20} MiB, as a decompression bomb does; if you "
        "trust it, set POSEKIT_MAX_UNPACKED_MB to what it needs"
    )


@contextlib.contextmanager
def _replacement(path: Path) -> Iterator[tuple[int, Path]]:
    """A new file in ``path``'s folder, open and by name, that replaces ``path`` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    device = _is_device(path)
    handle, name = tempfile.mkstemp(
        prefix=f".{path.name}.", suffix=".tmp", dir=None if device else path.parent
    )
    temporary = Path(name)
    try:
        yield handle, temporary
        if device:
            with path.open("ab") as into:
                into.write(temporary.read_bytes())
            temporary.unlink()
            return
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _is_device(path: Path) -> bool:
    """Whether a path is written into and never replaced: /dev/null, /dev/stdout, a pipe."""
    return path.exists() and not path.is_dir() and (not path.is_file() or path.parent == Path("/dev"))


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Opens a temporary file in ``path``'s folder that replaces ``path`` when the block ends well.

    Args:
        path: The file to write; its folder is made if missing.

    Raises:
        OSError: If the folder cannot be written or the disk is full; ``path`` is left as it was.
    """
    with _replacement(Path(path)) as (handle, _), os.fdopen(handle, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """As :func:`atomic_file`, but gives the temporary file's name, for libraries that open files by name."""
    with _replacement(Path(path)) as (handle, temporary):
        try:
            yield temporary
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file atomically."""
    with atomic_file(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Writes an indented JSON file atomically, in ASCII: the name of a file need not be UTF-8."""
    write_text(path, json.dumps(value, indent=2) + "\n")


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
    except OSError as error:
        # Some network disks cannot sync a folder; the file itself is synced and in its place.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)
