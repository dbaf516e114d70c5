"""MATLAB files (version 5 to 7) looked through before scipy reads them, which trusts their numbers.

scipy makes arrays of any size that a header states, and follows nested cells until the stack overflows. Here
the tags alone are read: every part lies within the part around it, states no more elements than it has bytes,
and is nested at most :data:`MAX_DEPTH` deep. Compressed variables are unpacked here, up to a limit, and
handed on as they were checked. Layout: MathWorks, "MAT-File Format", chapter 1 (level 5).
"""

from __future__ import annotations

import io
import math
import os
import struct
import zlib
from typing import Any

import numpy as np

from posekit.errors import DataError
from posekit.io.files import read_bytes, too_large, unpacked_limit

MAX_DEPTH = 32
_HEADER = 128
_INT32, _MATRIX, _COMPRESSED = 5, 14, 15
_CELL, _STRUCT, _OBJECT, _SPARSE, _LAST_NUMERIC = 1, 2, 3, 5, 15
_COMPLEX = 0x800
# How numbers are stored: whole ones of 8 to 64 bits, real ones, and texts as UTF-8, -16 or -32.
_STORED = frozenset((1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18))
_MAX_DIMENSIONS = 32


class _FaultError(Exception):
    """What is wrong, in words."""


def read_mat(path: str | os.PathLike[str], **options: Any) -> dict[str, Any]:
    """The variables of a MATLAB file (version 5 to 7), as ``scipy.io.loadmat`` gives them.

    Raises:
        DataError: If it is missing, no such file, or made to crash or to fill the memory
            (:func:`checked_mat`).
    """
    import scipy.io  # half a second that only .mat users should pay

    content = checked_mat(path)
    try:
        variables = scipy.io.loadmat(content, appendmat=False, **options)
    except Exception as error:  # scipy raises many kinds on damaged bytes; each means the same here
        raise DataError(f"{path}: not a readable MATLAB file: {error}") from error
    found = {name: value for name, value in variables.items() if not name.startswith("__")}
    if not found:  # cut off behind its header of 128 bytes, a file still reads
        raise DataError(f"{path}: a MATLAB file without variables; is it truncated?")
    return found


def checked_mat(path: str | os.PathLike[str]) -> io.BytesIO:
    """A MATLAB file's content, its variables unpacked, after it was looked through.

    Raises:
        DataError: If it is missing, of another version, damaged, or larger unpacked than it may be.
    """
    content = read_bytes(path)
    order = _byte_order(content, path)
    out = io.BytesIO()
    out.write(content[:_HEADER])
    try:
        for variable in _variables(content, order, unpacked_limit(len(content))):
            _Walk(variable, order).matrix(0, len(variable), 0)
            out.write(variable)
    except _FaultError as error:
        raise DataError(f"{path}: not a readable MATLAB file: {error}") from error
    out.seek(0)
    return out


def _byte_order(content: bytes, path: str | os.PathLike[str]) -> str:
    if content[:8] == b"\x89HDF\r\n\x1a\n" or content[512:520] == b"\x89HDF\r\n\x1a\n":
        raise DataError(f"{path}: a MATLAB v7.3 (HDF5) file; expected version 5 to 7")
    orders = {b"IM": "<", b"MI": ">"}
    # A zero among the first four bytes is version 4, which nobody has written for twenty years.
    if len(content) < _HEADER or 0 in content[:4] or content[126:128] not in orders:
        raise DataError(f"{path}: not a readable MATLAB file: expected version 5 to 7")
    return orders[content[126:128]]


def _variables(content: bytes, order: str, limit: int) -> list[bytes]:
    """The variables, each a matrix with its tag, unpacked."""
    found: list[bytes] = []
    at, size = _HEADER, 0
    while at < len(content):
        if at + 8 > len(content):
            raise _FaultError("it stops within a tag; is it truncated?")
        kind, length = struct.unpack_from(f"{order}II", content, at)
        end = at + 8 + length
        if end > len(content):
            raise _FaultError(f"it stops within variable {len(found)}; is it truncated?")
        if kind == _COMPRESSED:
            found.append(_unpacked(content[at + 8 : end], limit - size, len(content), limit))
        elif kind == _MATRIX:
            found.append(content[at:end])
        else:
            raise _FaultError(f"variable {len(found)} is of the unknown kind {kind}")
        size += len(found[-1])
        at = end
    return found


def _unpacked(packed: bytes, room: int, size: int, limit: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        variable = stream.decompress(packed, room + 1)
        if len(variable) <= room:
            variable += stream.flush()
    except zlib.error as error:
        raise _FaultError(str(error)) from error
    if len(variable) > room:
        raise _FaultError(too_large(size, limit))
    if not stream.eof:
        raise _FaultError("a packed variable stops before its end")
    return variable


class _Walk:
    """Goes through one variable as scipy will; positions are bytes, all of them multiples of four."""

    def __init__(self, variable: bytes, order: str) -> None:
        whole = variable + bytes(-len(variable) % 8)
        self.bytes = len(whole)
        self.words = memoryview(np.frombuffer(whole, f"{order}u4").astype(np.uint32).data)

    def matrix(self, at: int, end: int, depth: int) -> int:
        """Checks the matrix at ``at``, which must end by ``end``; returns where it ends."""
        if depth > MAX_DEPTH:
            raise _FaultError(f"its cells and structs are nested more than {MAX_DEPTH} deep")
        if at + 8 > end or self.words[at // 4] != _MATRIX:
            raise _FaultError(f"expected a matrix at byte {at} of a variable")
        length = self.words[at // 4 + 1]
        own_end = at + 8 + length
        if own_end > max(end, self.bytes if depth == 0 else 0) or length % 4:
            raise _FaultError(f"the matrix at byte {at} of a variable is longer than what holds it")
        if length == 0:
            return own_end
        if length < 32:
            raise _FaultError(f"the matrix at byte {at} of a variable has no header")
        flags = self.words[at // 4 + 4]
        place, count = self._dimensions(at + 24, own_end)
        *_, place = self._tag(place, own_end)  # the name
        place = self._content(flags, place, own_end, count, depth)
        if place != own_end and not (depth == 0 and own_end < place <= self.bytes):
            raise _FaultError(f"the matrix at byte {at} of a variable ends elsewhere than it states")
        return own_end

    def _content(self, flags: int, place: int, end: int, count: int, depth: int) -> int:
        kind = flags & 0xFF
        if kind == 0 or kind > _LAST_NUMERIC:
            raise _FaultError(f"a matrix of kind {kind}; expected numbers, texts, cells or structs")
        if kind in (_CELL, _STRUCT, _OBJECT):
            return self._nested(kind, place, end, count, depth)
        if kind != _SPARSE and count > end - place:
            raise _FaultError(f"a matrix states {count} elements in {end - place} bytes")
        for _ in range((3 if kind == _SPARSE else 1) + (flags & _COMPLEX > 0)):
            stored, _, _, after = self._tag(place, end)
            if stored not in _STORED:  # scipy takes what lies behind its table of kinds, and crashes
                raise _FaultError(
                    f"the numbers at byte {place} of a variable are of the unknown kind {stored}"
                )
            place = after
        return place

    def _nested(self, kind: int, place: int, end: int, count: int, depth: int) -> int:
        fields = 1
        if kind == _OBJECT:
            *_, place = self._tag(place, end)  # its class
        if kind != _CELL:
            place, fields = self._field_count(place, end)
        if count * max(fields, 1) > (end - place) // 8 + (fields == 0 or count == 0):
            raise _FaultError(f"a struct or cell array states {count} elements in {end - place} bytes")
        for _ in range(count * fields):
            place = self.matrix(place, end, depth + 1)
        return place

    def _field_count(self, place: int, end: int) -> tuple[int, int]:
        kind, length, start, place = self._tag(place, end)
        name_length = self.words[start // 4] if kind == _INT32 and length == 4 else 0
        _, length, _, place = self._tag(place, end)
        if not 0 < name_length <= 4096:
            raise _FaultError(f"a struct states field names of {name_length} bytes")
        return place, length // name_length

    def _dimensions(self, place: int, end: int) -> tuple[int, int]:
        kind, length, start, place = self._tag(place, end)
        if kind != _INT32 or length % 4 or not 4 <= length <= 4 * _MAX_DIMENSIONS:
            raise _FaultError(f"expected the dimensions of a matrix, found kind {kind} of {length} bytes")
        sides = self.words[start // 4 : (start + length) // 4].tolist()
        # Of a sparse or an empty one a side may be large; no product of all sides but one may overflow.
        if math.prod(max(side, 1) for side in sides) >= 2**62 or max(sides) >= 2**31:
            raise _FaultError(f"a matrix states the sides {sides}")
        return place, math.prod(sides)

    def _tag(self, place: int, end: int) -> tuple[int, int, int, int]:
        """Kind, length, where the data begin, and where the next part begins."""
        if place + 8 > end:
            raise _FaultError(f"a part is missing at byte {place} of a variable")
        first = self.words[place // 4]
        if first >> 16:  # up to four bytes stand in the tag itself
            kind, length, start, after = first & 0xFFFF, first >> 16, place + 4, place + 8
            if length > 4:
                raise _FaultError(f"the short part at byte {place} of a variable has {length} bytes")
        else:
            kind, length, start = first, self.words[place // 4 + 1], place + 8
            after = start + length + -length % 8
        if after > end and not (after <= self.bytes and start + length <= end):
            raise _FaultError(f"the part at byte {place} of a variable is longer than what holds it")
        return kind, length, start, after
