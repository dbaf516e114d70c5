"""Faces and predictions of them from files, to score one against the other by NME.

The truth is a csv of faces (:mod:`posekit.io.face_csv`) or a COCO json; predictions are a csv of the same
form, or results in COCO's form, as ``tools/test.py`` writes them. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import ConfigError, DataError, shown
from posekit.face_skeletons import FACES
from posekit.io import records as rec
from posekit.io.face_csv import FaceRows, image_numbers, number_column, read_face_csv
from posekit.io.files import read_json
from posekit.metrics.ground_truth import NO_AREA, read_coco
from posekit.metrics.results import assign_results, read_results


@dataclass(frozen=True, eq=False)
class ScoredFaces:
    """N faces with their predictions.

    Attributes:
        predicted: float64 (N, K, 2), 0-based pixels; NaN without a prediction.
        truth: float64 (N, K, 2).
        labelled: bool (N, K).
        names: K keypoint names.
        boxes_wh: float64 (N, 2), of the boxes as annotated, pixels; of a csv those of the points.
        groups: Column -> int64 (N,), -1 where there is none.
        rule: How predictions found their faces, in words.
    """

    predicted: np.ndarray
    truth: np.ndarray
    labelled: np.ndarray
    names: tuple[str, ...]
    boxes_wh: np.ndarray
    groups: dict[str, np.ndarray]
    rule: str


def is_csv(path: str | Path) -> bool:
    """Whether a file is named as a csv."""
    return Path(path).suffix.lower() == ".csv"


def names_of_points(count: int, skeleton: Any, file: str | Path) -> tuple[str, ...]:
    """The names of a file's points: a skeleton's, or those of the public set of faces with as many.

    Raises:
        ConfigError: If there is no such set, or the skeleton has another number.
    """
    found = [skeleton] if skeleton else [face for face in FACES if face.num_keypoints == count]
    if not found or found[0].num_keypoints != count:
        wanted = (
            f"skeleton '{found[0].name}' has {found[0].num_keypoints}" if found else "no set of faces does"
        )
        raise ConfigError(f"{file}: has {count} points; {wanted}; name their skeleton: --skeleton")
    return found[0].keypoints


def read_scored_csv(
    path: str | Path, results: str | Path, skeleton: Any = None, groups: Sequence[str] = ()
) -> ScoredFaces:
    """Faces of a csv with their predictions.

    Args:
        path: The truth.
        results: A csv with rows of the same images, or results in COCO's form whose ``annotation_id`` is the
            face's row in the truth, from 1, as ``load_face_csv`` numbers them.
        skeleton: The points' names; None: those of the public set with as many points.
        groups: Columns of the truth, of whole numbers.

    Raises:
        ConfigError: If the points' names are not known, or there is no such column.
        DataError: On a faulty file, or predictions of other faces.
    """
    rows = read_face_csv(path)
    names = names_of_points(rows.points.shape[1], skeleton, path)
    columns = {name: number_column(rows, name, -1) for name in groups}
    for name, column in columns.items():
        if column.dtype.kind != "i":
            raise DataError(f"{path}, column '{name}': expected whole numbers")
    if is_csv(results):
        predicted, rule = _of_csv(read_face_csv(results), rows), "by image name"
    else:
        predicted, rule = _of_results(results, rows), "by annotation_id, the row from 1"
    truth = rows.points
    low, high = (np.where(np.isnan(truth), edge, truth) for edge in (np.inf, -np.inf))
    extents = np.where(rows.labelled.any(axis=1, keepdims=True), high.max(axis=1) - low.min(axis=1), np.nan)
    return ScoredFaces(
        predicted, np.nan_to_num(truth), rows.labelled, names, extents, columns, f"predictions found {rule}"
    )


def _of_csv(predictions: FaceRows, rows: FaceRows) -> np.ndarray:
    """Predictions in the order of the truth; where images repeat, the order must be the same."""
    found, wanted = predictions.points.shape[1], rows.points.shape[1]
    if found != wanted:
        raise DataError(f"{predictions.file}: has {found} points, {rows.file} {wanted}")
    if predictions.images == rows.images:
        return predictions.points
    place = {image: row for row, image in enumerate(predictions.images)}
    for file in (predictions, rows):
        if len(set(file.images)) < len(file.images):
            raise DataError(
                f"{file.file}: an image stands there twice, and {predictions.file} has other rows than "
                f"{rows.file}: which prediction is whose cannot be told; expected the same rows"
            )
    unknown = sorted(set(place) - set(rows.images))
    if unknown:
        raise DataError(f"{predictions.where(place[unknown[0]])}: no image of {rows.file}")
    nothing = np.full((1, *predictions.points.shape[1:]), np.nan)
    padded = np.concatenate([predictions.points, nothing])
    return padded[[place.get(image, -1) for image in rows.images]]


def _of_results(path: str | Path, rows: FaceRows) -> np.ndarray:
    records = rec.record_list(read_json(path), None, path)
    where, count = f"{path}: results", rows.points.shape[1]
    ids = rec.integers(records, "annotation_id", where)
    rec.unique(ids, "annotation_id", where)
    place = rec.indices_of(
        ids, np.arange(1, len(rows.images) + 1), "annotation_id", where, f"rows of {rows.file}"
    )
    check_images(records, image_numbers(rows)[place], where, rows.file)
    predicted = np.full(rows.points.shape, np.nan)
    predicted[place] = rec.numbers(records, "keypoints", where, 3 * count).reshape(-1, count, 3)[..., :2]
    return predicted


def check_images(records: Sequence[Any], image_ids: np.ndarray, where: str, truth: str | Path) -> None:
    """Raises DataError where a result names another image than that of the person with its annotation_id."""
    for number, (record, own) in enumerate(zip(records, image_ids.tolist(), strict=True)):
        if record.get("image_id", own) != own:
            raise DataError(
                f"{where}[{number}], field 'image_id': annotation {record['annotation_id']} of {truth} is on "
                f"image {own}, found {shown(record['image_id'])}; are they the results of another file, or "
                "of other rows?"
            )


def read_scored_coco(
    path: str | Path, results: str | Path, skeleton: Any = None, groups: Sequence[str] = (), **reading: Any
) -> ScoredFaces:
    """Faces of a COCO json with their predictions, results in COCO's form.

    Args:
        path: The truth.
        results: See :func:`~posekit.metrics.results.assign_results` for how each finds its face.
        skeleton: The points' names, where the file states none.
        groups: Fields of the annotations, whole numbers; -1 where one has none.
        **reading: As of :func:`~posekit.metrics.ground_truth.read_coco`.

    Raises:
        ConfigError: As :func:`names_of_points`.
        DataError: On a faulty file.
    """
    content = read_json(path)
    people = read_coco(path, area=NO_AREA, content=content, **reading)
    found = assign_results(read_results(results, people), people, results)
    annotated = people.labelled.any(axis=1) & ~people.truth.crowd
    names = (
        people.names
        if not skeleton and people.names
        else names_of_points(people.num_keypoints, skeleton, path)
    )
    stated = {record["id"]: record for record in content["annotations"]}
    own = [stated[number] for number in people.annotation_ids[annotated].tolist()]
    return ScoredFaces(
        found.predicted[annotated],
        people.truth.keypoints[annotated, :, :2],
        people.labelled[annotated],
        names,
        people.truth.boxes_xywh[annotated, 2:],
        {
            name: rec.integers([{name: r.get(name, -1)} for r in own], name, f"{path}: annotations")
            for name in groups
        },
        found.rule,
    )
