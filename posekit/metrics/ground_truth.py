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
from posekit.io.categories import Category, are_numbers, named_categories, same_names
from posekit.io.files import read_json
from posekit.metrics.label_boxes import box_of_labels
from posekit.metrics.oks import COCO_SIGMAS, GroundTruth, crowded_images
from posekit.skeletons import COCO17

DIFFERENT = (-1.0,)  # in place of sigmas: categories have their own each
REMEDY = "; mend it, or leave such records out and count them: --on-bad-record skip, on_bad_record='skip'"
_AREA_REMEDY = "; state it, or take 0.53 x the box: --area box, OKSMetric(area='box')"
FILE, BOX, NO_AREA = "file", "box", "none"
AREA_OF_BOX = 0.53  # CrowdPose's share, of a person's segment in the box
_AREA_LOW, _AREA_HIGH = 0.01, 1.5  # of the box's; COCO's people have .1 to .9
_WIDEST_SIGMA = 0.5  # sizes of the person; COCO's widest is .107


@dataclass(frozen=True, eq=False)
class CocoPeople:
    """The people of a COCO keypoint file.

    Attributes:
        file: Where it was read from.
        truth: The arrays that OKS needs; rows in file order.
        annotation_ids: int64 (G,).
        names: K keypoint names; empty if the file states none.
        sigmas: K sigmas if a category states them, else empty; :data:`DIFFERENT` if categories differ.
        head_sizes: float64 (G,), pixels: an annotation's ``head_size``, or 0.6 x the diagonal of its
            ``head_box`` (x1, y1, x2, y2); NaN where it has neither.
        category_names: Those of ``truth.category_ids``.
        other_images: Ids of the file's images that are not scored.
        other_categories: Ids of the file's categories that are not scored.
        on_bad_record: How it was read.
        left_out_ids: Ids of the annotations that were left out.
        notes: Sentences about what was read otherwise than it is stated, or cannot be matched.
    """

    file: str
    truth: GroundTruth
    annotation_ids: np.ndarray
    names: tuple[str, ...]
    sigmas: tuple[float, ...]
    head_sizes: np.ndarray
    category_names: tuple[str, ...] = ()
    other_images: frozenset[int] = frozenset()
    other_categories: frozenset[int] = frozenset()
    on_bad_record: str = "error"
    left_out_ids: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()

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
    area: str = FILE,
    ids_from: str = "the images to score",
    content: Any = None,
    on_bad_record: str = "error",
    category: Category = None,
    names: Sequence[str] | None = None,
) -> CocoPeople:
    """Reads a COCO keypoint annotation file (``.json`` or ``.json.gz``).

    ``num_keypoints`` is recounted; a missing ``bbox`` is that of the labelled keypoints, as of
    :func:`~posekit.datasets.coco.load_coco`.

    Args:
        path: The file.
        image_ids: Only these images are scored; None: all of the file.
        area: "file" takes each person's ``area``, which OKS needs; "box" 0.53 x the box's; "none", as PCK
            needs none: 0 where it is missing.
        ids_from: Where ``image_ids`` come from, such as a file, for messages.
        content: The file's, where it has been read already.
        on_bad_record: "error"; or "skip", as of :func:`~posekit.datasets.coco.load_coco`: faulty annotations
            are left out, and people with a box and no keypoints count as not labelled.
        category: Names or ids of the categories that are scored; None or "all": all with keypoints, which
            must have the same.
        names: The keypoints that are asked for; categories with others are not scored.

    Raises:
        ConfigError: If there is no such category.
        DataError: On anything that is missing, malformed, not finite, repeated or unknown, and if nobody is
            annotated.
    """
    content = read_json(path) if content is None else content
    images = rec.record_list(content, "images", path)
    known_images = _ids(images, f"{path}: images")
    all_categories = rec.record_list(content, "categories", path)
    known_categories = _ids(all_categories, f"{path}: categories")
    categories = _chosen_categories(all_categories, path, category, names)
    keypoints, sigmas = _keypoint_names(categories, path)
    category_ids = np.array(sorted(c["id"] for c in categories), np.int64)
    left_out, boxes_alone, lost = 0, 0, frozenset[int]()
    if on_bad_record == "skip":
        from posekit.metrics.usable import usable_annotations  # brings torch, which scoring does without

        stated = rec.require(content, "annotations", str(path), list)
        annotations, lost, boxes_alone = usable_annotations(
            stated,
            str(path),
            len(keypoints),
            category_ids,
            known_categories,
            known_images,
            lambda annotation: _arrays_of_one(annotation, len(keypoints), str(path)),
        )
        left_out = len(stated) - len(annotations)
    else:
        annotations = list(rec.record_list(content, "annotations", path))
    where = f"{path}: annotations"
    annotation_ids = rec.integers(annotations, "id", where)
    rec.unique(annotation_ids, "id", where, REMEDY)
    category_of = rec.integers(annotations, "category_id", where)
    rec.indices_of(category_of, known_categories, "category_id", where, "categories of the file", REMEDY)
    image_of = rec.integers(annotations, "image_id", where)
    rec.indices_of(image_of, known_images, "image_id", where, "images of the file", REMEDY)
    scored = known_images if image_ids is None else _wanted_ids(image_ids, ids_from)
    rec.indices_of(scored, known_images, "image_id", ids_from, f"images of {path}")
    # Annotations of other categories (a bag, a car) have no keypoints and are none of our business.
    rows = np.flatnonzero(np.isin(category_of, category_ids) & np.isin(image_of, scored))
    image_by_id = {image["id"]: image for image in images}
    annotations = [_completed(annotations[row], area, image_by_id) for row in rows.tolist()]
    truth, recounted = _arrays(
        annotations, len(keypoints), where, scored, category_ids, image_of[rows], category_of[rows], area
    )
    if not (truth.keypoints[..., 2] > 0).any():
        faulty = f"; {left_out} faulty annotations are left out (on_bad_record 'skip')" if left_out else ""
        raise DataError(
            f"{path}: annotations: nobody has a labelled keypoint in the {len(scored)} images to score"
            f"{faulty}"
        )
    name_of = {c["id"]: str(c.get("name", c["id"])) for c in categories}
    return CocoPeople(
        str(path),
        truth,
        annotation_ids[rows],
        keypoints,
        sigmas,
        # Of no use to OKS: nobody need be left out for them there.
        _annotated_head_sizes(annotations, where)
        if area == NO_AREA or on_bad_record == "error"
        else np.full(len(rows), np.nan),
        tuple(name_of[i] for i in category_ids.tolist()),
        frozenset(np.setdiff1d(known_images, scored).tolist()),
        frozenset(np.setdiff1d(known_categories, category_ids).tolist()),
        on_bad_record,
        lost,
        _notes(str(path), truth, left_out, boxes_alone, recounted, area),
    )


def _chosen_categories(
    all_categories: rec.Records, path: str | Path, wanted: Category, names: Sequence[str] | None
) -> list[Mapping[str, Any]]:
    """The categories to score: with keypoints, of the wanted names or ids, with the wanted keypoints."""
    categories = [c for c in all_categories if c.get("keypoints")]
    if not categories:
        raise DataError(
            f"{path}: categories: none states 'keypoints' (a list of names); is it a keypoint file?"
        )
    ids = named_categories(categories, wanted, str(path))
    categories = [c for c in categories if c["id"] in ids]
    if names is None:
        return categories
    same = [c for c in categories if isinstance(c["keypoints"], list) and same_names(c["keypoints"], names)]
    return same or categories  # whoever asks for the names says what is wrong


def _arrays_of_one(annotation: Mapping[str, Any], num_keypoints: int, path: str) -> None:
    """Raises DataError if an annotation cannot be read."""
    one = np.array([annotation["image_id"]]), np.array([annotation["category_id"]])
    _arrays([_completed(annotation, NO_AREA, {})], num_keypoints, path, *one, *one, NO_AREA)


def _completed(annotation: Mapping[str, Any], area: str, image_of: Mapping[int, Any]) -> Mapping[str, Any]:
    """The annotation with a box, which may be its keypoints', and with an area where none is needed."""
    if "bbox" not in annotation and isinstance(annotation.get("keypoints"), list):
        image = image_of.get(annotation["image_id"], {})
        annotation = {**annotation, "bbox": box_of_labels(annotation["keypoints"], image)}
    if area == BOX:
        return {**annotation, "area": 0.0}
    return annotation if area == FILE else {"area": 0.0, **annotation}


def _notes(
    path: str, truth: GroundTruth, left_out: int, boxes_alone: int, recounted: int, area: str
) -> tuple[str, ...]:
    labelled = (truth.keypoints[..., 2] > 0).any(axis=1) & ~truth.crowd
    flat = int((labelled & (truth.areas <= 0)).sum())
    notes = [
        (left_out, f"{left_out} faulty annotations are left out"),
        (boxes_alone, f"{boxes_alone} people have a box and no 'keypoints': not labelled"),
        (recounted, f"{recounted} annotations state another 'num_keypoints' than they hold: recounted"),
        (
            flat if area != NO_AREA else 0,
            f"{flat} of {labelled.sum()} people with keypoints have 'area' 0: no pose but one exact to the "
            "last digit can match them. State their area, or take 0.53 x the box (--area box; "
            "OKSMetric(area='box'), load_coco(area='box'))",
        ),
    ]
    return tuple(f"{path}: {text}" for number, text in notes if number)


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
        if not same_names(category["keypoints"], first["keypoints"]):
            raise DataError(
                f"{path}: categories {first['id']} and {category['id']} have different 'keypoints'; "
                f"choose one (--category, category=): {_listed(categories)}"
            )
    names = tuple(str(name) for name in first["keypoints"])
    if not any(category.get("sigmas") for category in categories):
        return names, ()
    if any(category.get("sigmas") != first.get("sigmas") for category in categories):
        return names, DIFFERENT
    sigmas = rec.numbers([first], "sigmas", f"{path}: categories", len(names))[0]
    if (sigmas <= 0).any():
        raise DataError(f"{path}: categories[0]: expected 'sigmas' to be positive, found {first['sigmas']}")
    return names, tuple(sigmas.tolist())


def _listed(categories: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{c['id']} {c.get('name', '')!s:.40}".strip() for c in categories[:20])


def _arrays(
    annotations: rec.Records,
    num_keypoints: int,
    where: str,
    image_ids: np.ndarray,
    category_ids: np.ndarray,
    image_of: np.ndarray,
    category_of: np.ndarray,
    area: str,
) -> tuple[GroundTruth, int]:
    """The arrays of checked annotations.

    Returns:
        The arrays, and of how many ``num_keypoints`` is impossible, or tells wrongly whether any is labelled.
    """
    keypoints = rec.numbers(annotations, "keypoints", where, num_keypoints * 3, REMEDY).reshape(
        -1, num_keypoints, 3
    )
    boxes = rec.numbers(annotations, "bbox", where, 4)
    areas = rec.numbers(annotations, "area", where, remedy=_AREA_REMEDY)
    for name, low in (("bbox", boxes[:, 2:].min(axis=1, initial=np.inf)), ("area", areas)):
        if (low < 0).any():
            row = int(np.argmax(low < 0))
            raise DataError(
                f"{where}: id {annotations[row]['id']}: '{name}' is negative: {annotations[row][name]}"
            )
    _check_visibility(keypoints[..., 2], annotations, where)
    crowd = _stated(annotations, "iscrowd", np.zeros(len(annotations), np.int64), where, 1) > 0
    counted = (keypoints[..., 2] > 0).sum(axis=1)
    stated = _stated(annotations, "num_keypoints", counted, where, num_keypoints)
    if area == BOX:
        areas = boxes[:, 3] * boxes[:, 2] * AREA_OF_BOX
    truth = GroundTruth(
        image_ids,
        category_ids,
        np.searchsorted(image_ids, image_of),
        np.searchsorted(category_ids, category_of),
        keypoints,
        boxes,
        areas,
        crowd,
        crowd | (counted == 0),
    )
    wrong = ((stated == 0) != (counted == 0)) | (stated > num_keypoints)
    return truth, int((~crowd & wrong).sum())


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
        DataError: On anything else, a text such as "0" included; not on more keypoints, which are recounted.
    """
    most = float("inf") if field == "num_keypoints" else highest
    values = otherwise.copy()
    for row, annotation in enumerate(annotations):
        value = annotation.get(field)
        if value is None:
            continue
        whole = isinstance(value, int) and not (isinstance(value, bool) and highest > 1)
        if not whole or not 0 <= value <= most:
            raise DataError(
                f"{where}: id {annotation['id']}: expected '{field}' to be an integer from 0 to {highest}, "
                f"found {rec.describe(value)}"
            )
        values[row] = min(value, highest + 1)
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
    """The sigmas to score with: those stated, else the file's own, else COCO's for COCO's 17 keypoints.

    Seventeen that are merely numbered count as COCO's.

    Raises:
        ConfigError: If there are none, or of the wrong number or sign.
    """
    count = people.num_keypoints
    if stated is None and people.sigmas == DIFFERENT:
        raise ConfigError(
            f"{people.file}: its categories {list(people.category_names)} state different 'sigmas'; score "
            f"one at a time (--category), or state {count} for all (--sigmas, OKSMetric(sigmas=[...]))"
        )
    if stated is None and people.sigmas:
        return np.array(people.sigmas)
    if stated is None:
        cocos = are_numbers(people.names) or same_names(people.names, COCO17.keypoints)
        if count == len(COCO_SIGMAS) and cocos:
            return COCO_SIGMAS
        kind = "other keypoints than COCO's 17" if count == len(COCO_SIGMAS) else f"{count} keypoints"
        raise ConfigError(
            f"{people.file}: has {kind} and its category states no 'sigmas'; OKS needs one per keypoint: "
            f"give {count} numbers or the name of a skeleton (--sigmas, OKSMetric(sigmas=[...]))"
        )
    sigmas = np.asarray(stated, np.float64)
    if len(sigmas) != count:
        raise ConfigError(f"sigmas: expected {count}, one per keypoint of {people.file}; found {len(sigmas)}")
    if not (np.isfinite(sigmas) & (sigmas > 0)).all():
        raise ConfigError(f"sigmas: expected positive numbers, found {sigmas.tolist()}")
    return sigmas


def crowding_notes(people: CocoPeople, max_per_image: int) -> list[str]:
    """What is to be said of images with more people than poses that count."""
    crowded = crowded_images(people.truth, max_per_image)
    if not crowded:
        return []
    return [
        f"{people.file}: {crowded} image(s) have more than {max_per_image} people to find, and the best "
        f"{max_per_image} poses of an image count (COCO: 20): even perfect results miss the others. Raise "
        "that where the score need not be comparable: --max-per-image, OKSMetric(max_per_image=...)"
    ]


def yardstick_notes(people: CocoPeople, sigmas: np.ndarray) -> list[str]:
    """What is to be said of areas that are not those of the boxes, and of sigmas that forgive everything."""
    truth = people.truth
    boxes = truth.boxes_xywh[:, 2:].prod(axis=1)
    of = people.labelled.any(axis=1) & ~truth.crowd & (boxes > 0) & (truth.areas > 0)
    odd = int((of & ((truth.areas < _AREA_LOW * boxes) | (truth.areas > _AREA_HIGH * boxes))).sum())
    wide = float(np.max(sigmas, initial=0))
    notes = [
        (odd, f"{odd} of {of.sum()} people have an 'area' below {_AREA_LOW:g} or above {_AREA_HIGH:g} of "
              "their box's: poses count that are far off, or hardly any. It is in the picture's pixels; "
              "0.53 x the box: --area box"),
        (wide >= _WIDEST_SIGMA, f"a sigma of {wide:g} takes a keypoint for right that is {2 * wide:.2g} x "
              "the person's size off; COCO's are 0.025 to 0.107"),
    ]  # fmt: skip
    return [f"{people.file}: {text}" for holds, text in notes if holds]
