"""The sizes of pictures that labels are meant for: the file's, or the picture's where the file is wrong."""

from __future__ import annotations

import numpy as np

from posekit.doctor.exif import TURNED, UPRIGHT
from posekit.doctor.people import People

# Pixels: sizes that were computed may be rounded the other way.
_SAME = 1.0
# Of the pictures looked at, whose other side is the longer one: then the others' sizes are exchanged too.
_ALL = 0.9


def settled_sizes(people: People) -> np.ndarray:
    """Height and width of each picture that the labels are meant for, float64 (M, 2); NaN: not known.

    The file's; where it has none, or has width and height exchanged, the picture's.
    """
    stated, pictures = people.sizes_hw, people.pictures
    if pictures is None:
        return stated
    stored = pictures.sizes_hw
    turned = np.isin(pictures.turned, TURNED)[:, None]
    sizes = np.where(
        np.isnan(stated).any(1, keepdims=True), np.where(turned, stored[:, ::-1], stored), stated
    )
    return np.where(exchanged(people)[:, None], stated[:, ::-1], sizes)


def exchanged(people: People) -> np.ndarray:
    """Bool (M,): which pictures' width and height the file has exchanged."""
    pictures, stated = people.pictures, people.sizes_hw
    if pictures is None:
        return np.zeros(len(stated), bool)
    oblong = np.abs(stated[:, 0] - stated[:, 1]) > _SAME
    judged = oblong & np.isfinite(pictures.sizes_hw).all(axis=1) & (pictures.turned == UPRIGHT)
    found = judged & same_sizes(stated, pictures.sizes_hw[:, ::-1])
    if judged.any() and found.sum() >= _ALL * judged.sum():
        found |= oblong & ~pictures.looked
    return found


def same_sizes(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Bool (M,): which sizes (M, 2) are the same but for rounding."""
    with np.errstate(invalid="ignore"):
        return (np.abs(a - b) <= _SAME).all(axis=1)
