"""What checks look at: people and images of an annotation as arrays, faults and all.

Loaders refuse or skip faulty records; here they are as the file has them, and what cannot be read is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from posekit.doctor.pictures import Pictures

Same = TypeVar("Same", bound="People")


@dataclass(frozen=True, eq=False)
class People:
    """N people with K keypoints on M images, as written.

    Attributes:
        file: The annotation.
        names: The K keypoints' names.
        image_dir: The folder of the images; None: not known.
        image_ids: int64 (M,), perhaps repeated.
        image_names: M names.
        sizes_hw: float64 (M, 2), as the file says; NaN where it does not.
        image: int64 (N,): rows of images; -1 where a record names none that there is.
        ids: int64 (N,), perhaps repeated; -1 where there is none.
        boxes: float64 (N, 4), the numbers of ``bbox`` as they stand.
        keypoints: float64 (N, K, 2).
        visible: int64 (N, K): above 0 where labelled.
        areas: float64 (N,), NaN where not stated.
        stated: float64 (N,), ``num_keypoints``; NaN where not stated.
        record: int64 (N,): numbers of the people's records in the file.
        categories: int64 (N,).
        unreadable: Number of a record -> what is wrong with it.
        boxless: Numbers of the records without ``bbox``, whose box is made of their keypoints.
        left_out: Why others of the file's annotations are not among them -> how many.
        named: Whether the file has the keypoints' names; else they are their numbers.
        pairs: The skeleton's flip pairs; None: nothing states any.
        mirrored: Whether a training mirrors these people at random.
        boxes_stated: Whether the boxes are the file's own, and not made from joints or a scale.
        raw: Whether they are a COCO-form file's, as written.
        predicted: float64 (N, K, 3), a model's joints in pixels and their scores, NaN where it has none;
            None: no model.
        pictures: What is known of the image files; None: not looked at.
    """

    file: str
    names: tuple[str, ...]
    image_dir: str | None
    image_ids: np.ndarray
    image_names: list[str]
    sizes_hw: np.ndarray
    image: np.ndarray
    ids: np.ndarray
    boxes: np.ndarray
    keypoints: np.ndarray
    visible: np.ndarray
    areas: np.ndarray
    stated: np.ndarray
    record: np.ndarray
    categories: np.ndarray
    unreadable: Mapping[int, str] = field(default_factory=dict)
    boxless: frozenset[int] = frozenset()
    left_out: Mapping[str, int] = field(default_factory=dict)
    named: bool = True
    pairs: tuple[tuple[str, str], ...] | None = None
    mirrored: bool = False
    boxes_stated: bool = True
    raw: bool = False
    predicted: np.ndarray | None = None
    pictures: Pictures | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def labelled(self) -> np.ndarray:
        """Bool (N, K): labelled at a place; (0, 0) stands for a joint that is not there."""
        return (self.visible > 0) & np.isfinite(self.keypoints).all(-1) & ~self.in_corner

    @cached_property
    def in_corner(self) -> np.ndarray:
        """Bool (N, K): called labelled at exactly (0, 0)."""
        return (self.visible > 0) & (self.keypoints == 0).all(-1)

    @cached_property
    def used(self) -> np.ndarray:
        """int64: rows of the images that have people here, ascending."""
        return np.unique(self.image[self.image >= 0])

    def select(self: Same, rows: Any) -> Same:
        """Some of the people; all images stay."""
        chosen = {name: getattr(self, name)[rows] for name in _PER_PERSON}
        predicted = None if self.predicted is None else self.predicted[rows]
        return replace(self, **chosen, predicted=predicted, unreadable={})


_PER_PERSON = (
    "image", "ids", "boxes", "keypoints", "visible", "areas", "stated", "record", "categories",
)  # fmt: skip
