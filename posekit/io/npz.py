"""Archives of numpy arrays (``.npz``) read within bounds: numpy makes room for whatever a header states.

Every member is unpacked up to a limit (:func:`posekit.io.files.unpacked_limit`) and must have exactly the
bytes that its header states; nothing is unpickled.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from posekit.errors import DataError
from posekit.io.files import too_large, unpacked_limit

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npz(path: str | os.PathLike[str], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Those of the named arrays that an ``.npz`` holds.

    Raises:
        DataError: If it is missing, no such archive, damaged, or larger unpacked than it may be.
    """
    try:
        packed = Path(path).stat().st_size
        with zipfile.ZipFile(path) as archive:
            sizes = {record.filename: record.file_size for record in archive.infolist()}
            limit = unpacked_limit(packed)
            if sum(sizes.values()) > limit:
                raise DataError(f"{path}: {too_large(packed, limit)}")
            found = {name: archive.read(f"{name}.npy") for name in names if f"{name}.npy" in sizes}
    except FileNotFoundError as error:
        raise DataError(f"{path}: file not found") from error
    except DataError:
        raise
    except Exception as error:  # zipfile and zlib meet damaged bytes with many kinds
        raise DataError(f"{path}: not a readable .npz of arrays: {error!s:.300}") from error
    return {name: _array(content, f"{path}: field '{name}'") for name, content in found.items()}


def _array(content: bytes, where: str) -> np.ndarray:
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        shape, fortran, dtype = _HEADERS[version](file)
    except Exception as error:  # numpy reads the header as Python, which fails in many ways
        raise DataError(f"{where}: not an array of numpy: {error!s:.300}") from error
    left = len(content) - file.tell()
    if dtype.hasobject:
        raise DataError(f"{where}: not a readable .npz of arrays: it holds objects of Python")
    if dtype.itemsize == 0 or math.prod(shape) * dtype.itemsize != left:
        raise DataError(f"{where}: states {dtype} {shape}, which its {left:,} bytes are not")
    values = np.frombuffer(content, dtype, offset=file.tell())
    return values.reshape(shape, order="F" if fortran else "C")
