"""Reads COCO keypoint annotations to score predictions against.

Only what the metrics need is read, all of it is checked, and nothing is dropped: rows stand in file order,
because predictions refer to them. Coordinates are 0-based image pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import ConfigError, DataError
from posekit.geometry import head_sizes
from posekit.io import records as rec
from posekit.io.files import read_json
from posekit.metrics.oks import COCO_SIGMAS, GroundTruth


@dataclass(frozen=True, eq=False)
class CocoPeople:
    """The people of a COCO keypoint file.

    Attributes:
        file: Where it was read from.
        truth: The arrays that OKS needs; rows in file order.
        annotation_ids: int64 (G,).
        names: K keypoint names; empty if the file states none.
        sigmas: K sigmas if a category states them, else empty.
        head_sizes: float64 (G,), pixels: an annotation's ``head_size``, or 0.6 x the diagonal of its
            ``head_box`` (x1, y1, x2, y2); NaN where it has neither.
    """

    file: str
    truth: GroundTruth
    annotation_ids: np.ndarray
    names: tuple[str, ...]
    sigmas: tuple[float, ...]
    head_sizes: np.ndarray

    @property
    def num_keypoints(self) -> int:
        return self.truth.keypoints.shape[1]

    @property
    def labelled(self) -> np.ndarray:
        """The annotated keypoints, hidden ones included: bool (G, K)."""
        return self.truth.keypoints[..., 2] > 0


def read_coco(
    path: str | Path,
    image_ids: Sequence[int] | np.ndarray | None = None,
    needs_area: bool = True,
    ids_from: str = "the images to score",
    content: Any = None,
) -> CocoPeople:
    """Reads a COCO keypoint annotation file (``.json`` or ``.json.gz``).

    Args:
        path: The file.
        image_ids: Only these images are scored; None: all of the file.
        needs_area: OKS does, PCK does not; without it a missing ``area`` counts as 0.
        ids_from: Where ``image_ids`` come from, such as a file, for messages.
        content: The file's, where it has been read already.

    Raises:
        DataError: On anything that is missing, malformed, not finite, repeated or unknown, and if nobody is
            annotated.
    """
    content = read_json(path) if content is None else content
    known_images = _ids(rec.record_list(content, "images", path), f"{path}: images")
    all_categories = rec.record_list(content, "categories", path)
    known_categories = _ids(all_categories, f"{path}: categories")
    all_annotations = rec.record_list(content, "annotations", path)
    categories = [c for c in all_categories if c.get("keypoints")]
    if not categories:
        raise DataError(
            f"{path}: categories: none states 'keypoints' (a list of names); is it a keypoint file?"
        )
    names, sigmas = _keypoint_names(categories, path)
    where = f"{path}: annotations"
    annotation_ids = rec.integers(all_annotations, "id", where)
    rec.unique(annotation_ids, "id", where)
    category_of = rec.integers(all_annotations, "category_id", where)
    rec.indices_of(category_of, known_categories, "category_id", where, "categories of the file")
    image_of = rec.integers(all_annotations, "image_id", where)
    rec.indices_of(image_of, known_images, "image_id", where, "images of the file")
    category_ids = np.array(sorted(c["id"] for c in categories), np.int64)
    scored = known_images if image_ids is None else _wanted_ids(image_ids, ids_from)
    rec.indices_of(scored, known_images, "image_id", ids_from, f"images of {path}")
    # Annotations of other categories (a bag, a car) have no keypoints and are none of our business.
    rows = np.flatnonzero(np.isin(category_of, category_ids) & np.isin(image_of, scored))
    annotations = [all_annotations[row] for row in rows.tolist()]
    if not needs_area:
        annotations = [{"area": 0.0, **annotation} for annotation in annotations]
    truth = _truth(annotations, len(names), where, scored, category_ids, image_of[rows], category_of[rows])
    if not (truth.keypoints[..., 2] > 0).any():
        raise DataError(
            f"{path}: annotations: nobody has a labelled keypoint in the {len(scored)} images to score"
        )
    return CocoPeople(
        str(path), truth, annotation_ids[rows], names, sigmas, _annotated_head_sizes(annotations, where)
    )


def _wanted_ids(image_ids: Sequence[int] | np.ndarray, ids_from: str) -> np.ndarray:
    try:
        return np.unique(np.asarray(image_ids, np.int64))
    except OverflowError as error:
        raise DataError(f"{ids_from}: expected 'image_id' to be integers of 64 bits") from error


def _ids(records: rec.Records, where: str) -> np.ndarray:
    ids = rec.integers(records, "id", where)
    rec.unique(ids, "id", where)
    return np.sort(ids)


def _keypoint_names(categories: Sequence[Mapping[str, Any]], path: str | Path) -> tuple[tuple, tuple]:
    """The keypoint names, and sigmas if stated, that the keypoint categories agree on."""
    first = categories[0]
    for category in categories:
        if not isinstance(category["keypoints"], list):
            raise DataError(
                f"{path}: category id {category['id']}: expected 'keypoints' to be a list of names, found "
                f"{rec.describe(category['keypoints'])}"
            )
        if list(category["keypoints"]) != list(first["keypoints"]):
            raise DataError(
                f"{path}: categories {first['id']} and {category['id']} have different 'keypoints'; "
                "score one category at a time"
            )
    names = tuple(str(name) for name in first["keypoints"])
    if not first.get("sigmas"):
        return names, ()
    sigmas = rec.numbers([first], "sigmas", f"{path}: categories", len(names))[0]
    if (sigmas <= 0).any():
        raise DataError(f"{path}: categories[0]: expected 'sigmas' to be positive, found {first['sigmas']}")
    return names, tuple(sigmas.tolist())


def _truth(
    annotations: rec.Records,
    num_keypoints: int,
    where: str,
    image_ids: np.ndarray,
    category_ids: np.ndarray,
    image_of: np.ndarray,
    category_of: np.ndarray,
) -> GroundTruth:
    keypoints = rec.numbers(annotations, "keypoints", where, num_keypoints * 3).reshape(-1, num_keypoints, 3)
    boxes = rec.numbers(annotations, "bbox", where, 4)
    areas = rec.numbers(annotations, "area", where)
    for name, low in (("bbox", boxes[:, 2:].min(axis=1, initial=np.inf)), ("area", areas)):
        if (low < 0).any():
            row = int(np.argmax(low < 0))
            raise DataError(
                f"{where}: id {annotations[row]['id']}: '{name}' is negative: {annotations[row][name]}"
            )
    _check_visibility(keypoints[..., 2], annotations, where)
    crowd = _stated(annotations, "iscrowd", np.zeros(len(annotations), np.int64), where, 1) > 0
    # As pycocotools: the stated number decides; where it is not stated, it is counted.
    counted = (keypoints[..., 2] > 0).sum(axis=1)
    empty = _stated(annotations, "num_keypoints", counted, where, num_keypoints) == 0
    return GroundTruth(
        image_ids,
        category_ids,
        np.searchsorted(image_ids, image_of),
        np.searchsorted(category_ids, category_of),
        keypoints,
        boxes,
        areas,
        crowd,
        crowd | empty,
    )


def _check_visibility(visible: np.ndarray, annotations: rec.Records, where: str) -> None:
    """Raises DataError naming the first annotation with a v that is not 0, 1 or 2."""
    wrong = np.argwhere(~np.isin(visible, (0, 1, 2)))
    if len(wrong):
        row, keypoint = wrong[0]
        raise DataError(
            f"{where}: id {annotations[row]['id']}: expected 'keypoints' to hold v = 0, 1 or 2, found "
            f"{visible[row, keypoint]:g} for keypoint {keypoint}"
        )


def _stated(
    annotations: rec.Records, field: str, otherwise: np.ndarray, where: str, highest: int
) -> np.ndarray:
    """An optional integer from 0 to ``highest`` of each annotation; ``otherwise`` (G,) where it has none.

    Raises:
        DataError: On anything else, a text such as "0" included.
    """
    values = otherwise.copy()
    for row, annotation in enumerate(annotations):
        value = annotation.get(field)
        if value is None:
            continue
        whole = isinstance(value, int) and not (isinstance(value, bool) and highest > 1)
        if not whole or not 0 <= value <= highest:
            raise DataError(
                f"{where}: id {annotation['id']}: expected '{field}' to be an integer from 0 to {highest}, "
                f"found {rec.describe(value)}"
            )
        values[row] = value
    return values


def _annotated_head_sizes(annotations: rec.Records, where: str) -> np.ndarray:
    sizes = np.full(len(annotations), np.nan)
    for field, width in (("head_box", 4), ("head_size", None)):
        # Zero, null and an empty list are all "not annotated".
        rows = [i for i, a in enumerate(annotations) if a.get(field)]
        values = rec.numbers([annotations[i] for i in rows], field, where, width)
        sizes[rows] = values if width is None else head_sizes(values)
    return sizes


def choose_sigmas(people: CocoPeople, stated: Sequence[float] | np.ndarray | None = None) -> np.ndarray:
    """The sigmas to score with: those stated, else the file's own, else COCO's for 17 keypoints.

    Raises:
        ConfigError: If there are none, or of the wrong number or sign.
    """
    count = people.num_keypoints
    if stated is None and people.sigmas:
        return np.array(people.sigmas)
    if stated is None:
        if count == len(COCO_SIGMAS):
            return COCO_SIGMAS
        raise ConfigError(
            f"{people.file}: has {count} keypoints and its category states no 'sigmas'; OKS needs one per "
            f"keypoint: give {count} numbers or the name of a skeleton (--sigmas)"
        )
    sigmas = np.asarray(stated, np.float64)
    if len(sigmas) != count:
        raise ConfigError(f"sigmas: expected {count}, one per keypoint of {people.file}; found {len(sigmas)}")
    if not (np.isfinite(sigmas) & (sigmas > 0)).all():
        raise ConfigError(f"sigmas: expected positive numbers, found {sigmas.tolist()}")
    return sigmas
