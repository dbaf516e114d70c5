"""What options of the command line say of how annotations are scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posekit.errors import ConfigError, DataError
from posekit.io.categories import ALL
from posekit.io.files import read_json
from posekit.skeletons import get_skeleton


def parse_sigmas(words: Sequence[str] | None) -> np.ndarray | None:
    """``--sigmas`` as numbers: stated one by one, or as the name of a skeleton."""
    if words is None:
        return None
    pieces = [piece for word in words for piece in word.replace(",", " ").split()]
    try:
        return np.array([float(piece) for piece in pieces])
    except ValueError:
        if len(pieces) != 1:
            raise ConfigError(f"--sigmas: expected numbers or one skeleton's name, found {words}") from None
    skeleton = get_skeleton(pieces[0])
    return np.array(skeleton.sigmas)


def read_image_ids(path: str | None) -> list[int] | None:
    """The ids in a json list; None without a file."""
    if path is None:
        return None
    ids = read_json(path)
    if not isinstance(ids, list) or not all(type(i) is int for i in ids) or not ids:
        raise DataError(f"{path}: expected a list of image ids, found {ids!r:.80}")
    return ids


def stated_categories(words: Sequence[str] | None) -> list[str] | None:
    """``--category`` as a list, with commas or blanks between; None: all."""
    names = [name for word in words for name in word.split(",")] if words else None
    return None if names == [ALL] else names
