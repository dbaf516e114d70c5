"""A checkpoint's SHA-256, kept inside the file, so that the two cannot part.

torch writes zip archives, whose end may carry a comment: there the sum stands, as ``sha256:`` and 64 digits.
It is taken over the archive as it was before the comment was added, which is the file with the last two bytes
of its end record (the comment's length) zero again. Zip programs, and every torch, read over it; unlike the
CRC-32 of each record, it covers names, sizes and padding too.
"""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import Any, BinaryIO

from posekit.errors import CheckpointError

_LENGTH = len("sha256:") + 64
_NO_COMMENT = b"\0\0"
_COMMENTED = _LENGTH.to_bytes(2, "little")
_END_RECORD = 22  # bytes of a zip's end record without its comment
_BLOCK = 1 << 20


class HashingFile(io.RawIOBase):
    """Hands bytes on to a file, and takes their SHA-256 on the way.

    Args:
        file: Open for writing, at its beginning.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        #: Why the file could not be written; torch's own error does not say.
        self.failure: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        try:
            return self.file.write(data)
        except OSError as error:
            self.failure = error
            raise

    def seal(self) -> None:
        """Writes the sum to the end, once torch has written its archive."""
        self.file.seek(-len(_NO_COMMENT), io.SEEK_END)
        self.file.write(_COMMENTED + f"sha256:{self.digest.hexdigest()}".encode())


def check_sum(path: Path) -> None:
    """Compares a file with the sum that it carries; one without (of another program) passes.

    Raises:
        CheckpointError: If they differ, or the sum is cut short.
    """
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - _END_RECORD - _LENGTH))
        end = file.read()
        stated = re.fullmatch(rb"sha256:([0-9a-f]{64})", end[-_LENGTH:])
        begun = end.rfind(b"PK\x05\x06")  # the end record
        commented = begun >= 0 and end[begun + 20 : begun + 22] == _COMMENTED
        if stated is None or not commented:
            if stated is not None or commented:
                raise CheckpointError(f"checkpoint {path}: damaged: its SHA-256 at the end is not whole")
            return
        file.seek(0)
        found = _sum_of(file, size - _LENGTH - len(_COMMENTED))
    if found != stated.group(1).decode():
        expected = stated.group(1).decode()
        raise CheckpointError(
            f"checkpoint {path}: damaged: expected SHA-256 {expected[:16]}..., found {found[:16]}..."
        )


def _sum_of(file: BinaryIO, length: int) -> str:
    digest = hashlib.sha256()
    while length > 0 and (block := file.read(min(_BLOCK, length))):
        digest.update(block)
        length -= len(block)
    digest.update(_NO_COMMENT)
    return digest.hexdigest()
