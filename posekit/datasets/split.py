"""Choosing part of a table by name: row selectors for ``TopDownDataset(subset=...)``.

A selector takes a ``PersonTable`` (and its own settings) and returns row numbers.
"""

from __future__ import annotations

import hashlib

import numpy as np

from posekit.datasets.table import PersonTable
from posekit.errors import ConfigError, shown
from posekit.registry import DATASETS

PARTS = ("test", "val", "train")


@DATASETS.register_module()
def hashed_split(
    table: PersonTable, part: str = "train", num_test: int = 500, num_val: int = 500
) -> np.ndarray:
    """A fixed random split of the images that needs no list: by the SHA-1 of their ids.

    The image ids are ordered by sha1(str(id)); the first ``num_test`` images are "test", the next
    ``num_val`` "val", the rest "train". All people of an image fall into one part.

    Args:
        table: Any table; the ids of all its images count, with or without people.
        part: "train", "val" or "test".
        num_test: Images in the test part.
        num_val: Images in the validation part.

    Returns:
        int64 rows of ``table``, ascending.

    Raises:
        ConfigError: On an unknown part or more test and validation images than there are.
    """
    if part not in PARTS:
        raise ConfigError(f"hashed_split: 'part' must be one of {PARTS}, found {part!r}")
    if num_test < 0 or num_val < 0 or num_test + num_val > len(table.image_ids):
        raise ConfigError(
            f"hashed_split: num_test + num_val = {num_test} + {num_val} does not fit "
            f"{len(table.image_ids)} images of {table.ann_file}"
        )
    order = sorted(
        range(len(table.image_ids)), key=lambda i: hashlib.sha1(str(table.image_ids[i]).encode()).hexdigest()
    )
    bounds = {
        "test": (0, num_test),
        "val": (num_test, num_test + num_val),
        "train": (num_test + num_val, None),
    }
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[slice(*bounds[part])]] = True
    return np.flatnonzero(chosen[table.image_index])


def check_rows(rows: np.ndarray, length: int, where: str, of: str) -> None:
    """Raises ConfigError unless ``rows`` (N,) are whole numbers below ``length``; -1 is the last.

    Args:
        rows: What was stated.
        length: How many there are.
        where: The setting, for messages.
        of: What they are the numbers of.
    """
    expected = f"{where}: expected numbers from 0 to {length - 1}, for there are {length} {of}; found"
    if rows.ndim != 1 or (rows.dtype.kind not in "iu" and rows.size):
        raise ConfigError(f"{expected} {shown(rows.tolist())}")
    beyond = rows[(rows >= length) | (rows < -length)]
    if len(beyond):
        raise ConfigError(f"{expected} {beyond[0]}{f' and {len(beyond) - 1} more' * (len(beyond) > 1)}")
