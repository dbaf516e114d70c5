"""Reads predictions from files and fits them to the people they are scored against.

Coordinates are 0-based image pixels in COCO's results form and 1-based in MPII's arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError, shown
from posekit.io import records as rec
from posekit.io.files import read_json
from posekit.io.mat import read_mat
from posekit.metrics.categories import categories_in_words
from posekit.metrics.ground_truth import REMEDY, CocoPeople
from posekit.metrics.mpii_truth import MPIIPeople, mat_array
from posekit.metrics.nms import OKS_NMS, crop_areas
from posekit.metrics.oks import Detections, keypoint_areas, rescore
from posekit.metrics.pck import assign_by_distance
from posekit.metrics.predictions import NOWHERE


@dataclass(frozen=True, eq=False)
class Results:
    """A COCO keypoint results file.

    Attributes:
        detections: float64 arrays; keypoints (D, K, 3) as x, y, score.
        nms_areas: float64 (D,), the area of the result's box, or of its keypoints where it has none.
        annotation_ids: int64 (D,), or None where the file names no people.
        notes: Sentences about what was left out of the file.
        named: int64, the category of each result of the file, of those left out too.
    """

    detections: Detections
    nms_areas: np.ndarray
    annotation_ids: np.ndarray | None
    notes: tuple[str, ...] = ()
    named: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def read_results(path: str | Path, people: CocoPeople) -> Results:
    """Reads a results file and fits it to the ground truth it is scored against.

    Results of the ground truth's other images and categories, those that are not scored, are left out.

    Args:
        path: A list of objects with image_id, category_id, keypoints ([x, y, score] x K, flat) and score;
            optionally bbox, annotation_id.
        people: The ground truth; as it was read, so are results of images and categories that its file does
            not have: refused, or left out.

    Raises:
        DataError: On a missing key, a wrong number of keypoints, a value that is not finite, or an
            unknown id.
    """
    file_records = rec.record_list(read_json(path), None, path)
    where, truth, count = f"{path}: results", people.truth, people.num_keypoints
    # pycocotools takes the boxes' areas if the first result has a box, else the keypoints' extents.
    boxed = bool(file_records) and bool(file_records[0].get("bbox"))
    named = rec.integers(file_records, "category_id", where)
    file_records, notes = _of_scored(file_records, people, where)
    image = np.searchsorted(truth.image_ids, rec.integers(file_records, "image_id", where))
    category = np.searchsorted(truth.category_ids, rec.integers(file_records, "category_id", where))
    keypoints = rec.numbers(file_records, "keypoints", where, 3 * count).reshape(-1, count, 3)
    scores = rec.numbers(file_records, "score", where)
    areas = (
        rec.numbers(file_records, "bbox", where, 4)[:, 2:].prod(axis=1)
        if boxed
        else keypoint_areas(keypoints)
    )
    nms_areas = areas
    if file_records and all("box_xywh" in record for record in file_records):
        boxes = rec.numbers(file_records, "box_xywh", where, 4)
        nms_areas = crop_areas(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1))
    detections = Detections(image, category, keypoints, scores, areas)
    return Results(detections, nms_areas, _annotation_ids(file_records, where), notes, named)


def _of_scored(
    file_records: rec.Records, people: CocoPeople, where: str
) -> tuple[rec.Records, tuple[str, ...]]:
    """The results of the images and categories that are scored, and what is to be said of the others."""
    kept = np.ones(len(file_records), bool)
    notes = []
    wrong = f"; write its category_id into the results, of {categories_in_words(people)}"
    for key, what, scored, others, remedy in (
        ("image_id", "images", people.truth.image_ids, people.other_images, REMEDY),
        ("category_id", "keypoint categories", people.truth.category_ids, people.other_categories, wrong),
    ):
        ids = rec.integers(file_records, key, where)
        wanted = np.isin(ids, scored)
        known = wanted | np.isin(ids, list(others))
        if people.on_bad_record == "error":
            checked = np.sort(np.concatenate([scored, np.array(list(others), np.int64)]))
            rec.indices_of(ids, checked, key, where, f"{what} of {people.file}", remedy)
        for number, of in (
            (~wanted & known, "that are not scored"),
            (~known, f"that {people.file} does not have"),
        ):
            if number.any():
                notes.append(f"{where}: {number.sum()} are of {what} {of}, and are left out")
        kept &= wanted
    if people.left_out_ids:
        lost = np.array([record.get("annotation_id") in people.left_out_ids for record in file_records])
        if lost.any():
            notes.append(f"{where}: {lost.sum()} are of annotations that are left out, and are left out too")
        kept &= ~lost
    if kept.all():
        return file_records, ()
    return [record for record, keep in zip(file_records, kept.tolist(), strict=True) if keep], tuple(notes)


def _annotation_ids(file_records: rec.Records, where: str) -> np.ndarray | None:
    if not any("annotation_id" in record for record in file_records):
        return None
    return rec.integers(file_records, "annotation_id", where)


def apply_protocol(
    results: Results,
    sigmas: np.ndarray,
    rescore_threshold: float | None,
    nms_threshold: float | None,
    nms: str = "oks_nms",
) -> Detections:
    """COCO's test protocol on a results file: rescoring, then OKS-NMS; ``None`` leaves a step out.

    Args:
        results: The file's.
        sigmas: (K,), for the NMS.
        rescore_threshold: Keypoints scored above it make the score.
        nms_threshold: Of the NMS.
        nms: One of :data:`~posekit.metrics.nms.OKS_NMS`.
    """
    detections = results.detections
    scores = detections.scores
    if rescore_threshold is not None:
        scores = rescore(scores, detections.keypoints[..., 2], rescore_threshold)
    rescored = Detections(
        detections.image, detections.category, detections.keypoints, scores, detections.areas
    )
    if nms_threshold is None:
        return rescored
    groups = detections.category * (detections.image.max(initial=0) + 1) + detections.image
    suppress = OKS_NMS[nms]
    kept = suppress(detections.keypoints, results.nms_areas, scores, sigmas, nms_threshold, groups=groups)
    return rescored.take(np.sort(kept))


@dataclass(frozen=True, eq=False)
class Assignment:
    """Which result stands for which person.

    Attributes:
        predicted: float64 (G, K, 2), NaN where a person has no result.
        counts: How the people of interest got their results, and how many got none.
        rule: The rule in words.
    """

    predicted: np.ndarray
    counts: dict[str, int]
    rule: str


def assign_results(results: Results, people: CocoPeople, path: str | Path) -> Assignment:
    """Finds each annotated person's result.

    By ``annotation_id`` where the results carry it; else the best-scored result of an image with one
    annotated person, and in the other images greedily by similarity
    (:func:`~posekit.metrics.pck.assign_by_distance`).

    Raises:
        DataError: If an ``annotation_id`` is unknown, repeated or of another image.
    """
    truth = people.truth
    annotated = people.labelled.any(axis=1) & ~truth.crowd
    predicted = np.full((len(truth), people.num_keypoints, 2), np.nan)
    if results.annotation_ids is not None:
        rows = rows_by_id(results, people, f"{path}: results")
        predicted[rows] = results.detections.keypoints[..., :2]
        counts = {"matched_by_annotation_id": int(np.count_nonzero(annotated[rows]))}
        rule = "results matched to people by annotation_id"
    else:
        counts = _assign_by_image(results.detections, people, annotated, predicted)
        rule = (
            "results matched to people by image: the best-scored result where one person is annotated, "
            "else greedily by similarity"
        )
    missing = int(np.count_nonzero(annotated & np.isnan(predicted[:, 0, 0])))
    return Assignment(predicted, {**counts, "missing_predictions": missing}, rule)


def rows_by_id(results: Results, people: CocoPeople, where: str) -> np.ndarray:
    """The person of each result by its ``annotation_id``, int64 (D,); errors of :func:`assign_results`."""
    ids = results.annotation_ids
    assert ids is not None
    rec.unique(ids, "annotation_id", where)
    order = np.argsort(people.annotation_ids)
    place = rec.indices_of(
        ids, people.annotation_ids[order], "annotation_id", where, f"annotations of {people.file}"
    )
    rows = order[place]
    elsewhere = np.flatnonzero(people.truth.image[rows] != results.detections.image)
    if elsewhere.size:
        i = elsewhere[0]
        truth = people.truth
        raise DataError(
            f"{where}[{i}]: 'annotation_id' {ids[i]} is in image {truth.image_ids[truth.image[rows[i]]]} of "
            f"{people.file}, but 'image_id' is {truth.image_ids[results.detections.image[i]]}"
        )
    return rows


def _assign_by_image(
    detections: Detections, people: CocoPeople, annotated: np.ndarray, predicted: np.ndarray
) -> dict[str, int]:
    """Fills ``predicted`` in place; returns how many people each rule served."""
    truth, labelled = people.truth, people.labelled
    counts = {"matched_as_only_person": 0, "matched_by_similarity": 0}
    images = len(truth.image_ids)
    people_rows = _rows_by_image(truth.category * images + truth.image, annotated)
    result_rows = _rows_by_image(detections.category * images + detections.image)
    for image, persons in people_rows.items():
        candidates = result_rows.get(image)
        if candidates is None:
            continue
        if len(persons) == 1:
            best = candidates[np.argmax(detections.scores[candidates])]
            pairs = [(best, persons[0])]
            counts["matched_as_only_person"] += 1
        else:
            found = assign_by_distance(
                detections.keypoints[candidates], truth.keypoints[persons], labelled[persons]
            )
            pairs = [(candidates[r], persons[p]) for r, p in found]
            counts["matched_by_similarity"] += len(pairs)
        for result, person in pairs:
            predicted[person] = detections.keypoints[result, :, :2]
    return counts


def _rows_by_image(image: np.ndarray, chosen: np.ndarray | None = None) -> dict[int, np.ndarray]:
    rows = np.arange(len(image)) if chosen is None else np.flatnonzero(chosen)
    rows = rows[np.argsort(image[rows], kind="stable")]
    values, start = np.unique(image[rows], return_index=True)
    return dict(zip(values.tolist(), np.split(rows, start[1:]), strict=True)) if len(rows) else {}


def read_mpii_predictions(path: str | Path, people: MPIIPeople, base: int | None = None) -> np.ndarray:
    """Reads predictions for MPII's validation people.

    Args:
        path: ``.mat`` with ``preds`` (N, 16, 2+); ``.npy`` of that shape; or ``.json``(``.gz``): a nested
            list of that shape, ``{"preds": list}``, or COCO results whose ``annotation_id`` (or
            ``person_id``) is the person's row, from 0, among the people of the ground truth.
        people: The ground truth.
        base: 0 or 1, the pixel that the file's coordinates count from; None: 1 for ``.mat``, 0 otherwise.

    Returns:
        float64 (N, 16, 2), **1-based**; NaN for a person that a results file leaves out, or that
        posekit's ``pred.mat`` puts far outside.

    Raises:
        DataError: On a wrong shape, a value that is not finite, or an unknown or repeated id.
    """
    path = Path(path)
    if path.suffix == ".mat":
        predicted = _mat_predictions(path)
    elif path.suffix == ".npy":
        predicted = _fit(_load_npy(path), path)
    elif {".json"} & set(path.suffixes):
        predicted = _json_predictions(path, people)
    else:
        raise DataError(f"{path}: expected predictions in a .mat, .npy or .json file")
    if len(predicted) != len(people.joints):
        raise DataError(
            f"{path}: has predictions for {len(predicted)} people; {people.file} has {len(people.joints)}"
        )
    predicted[np.all(predicted <= NOWHERE + 1, axis=(1, 2))] = np.nan
    origin = (1 if path.suffix == ".mat" else 0) if base is None else base
    return predicted + (1 - origin)


def _mat_predictions(path: Path) -> np.ndarray:
    variables = read_mat(path)
    return _fit(mat_array(variables, "preds", path, (None, 16, None)), path)


def _load_npy(path: Path) -> np.ndarray:
    try:
        # Mapped, an array that states more than the file has is an error instead of memory.
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy reads the header as Python, which fails in many ways
        raise DataError(f"{path}: is not a readable .npy file: {error!s:.300}") from error


def _fit(values: Any, path: Path) -> np.ndarray:
    """An array-like of predictions as float64 (N, 16, 2)."""
    try:
        array = np.asarray(values)
    except ValueError:
        array, found = np.empty(0, object), "people or joints of differing lengths"
    else:
        found = f"{array.dtype} {array.shape}" if array.size else "none"
    if array.ndim != 3 or array.shape[1] != 16 or array.shape[2] < 2 or array.dtype.kind not in "iuf":
        raise DataError(f"{path}: expected predictions as numbers of shape (N, 16, 2); found {found}")
    array = array[..., :2].astype(np.float64)
    bad = np.argwhere(~np.isfinite(array).all(axis=2))
    if len(bad):
        raise DataError(
            f"{path}: person {bad[0][0]}, joint {bad[0][1]}: expected finite x, y; found "
            f"{array[tuple(bad[0])]}"
        )
    return array


def _json_predictions(path: Path, people: MPIIPeople) -> np.ndarray:
    content = read_json(path)
    if isinstance(content, Mapping):
        if "preds" not in content:
            raise DataError(f"{path}: key 'preds' is missing; found {shown(sorted(map(str, content)))}")
        content = content["preds"]
    if isinstance(content, list) and content and isinstance(content[0], Mapping):
        return _predictions_by_row(rec.record_list(content, None, path), people, path)
    return _fit(content, path)


def _predictions_by_row(file_records: rec.Records, people: MPIIPeople, path: Path) -> np.ndarray:
    where = f"{path}: results"
    field = "annotation_id" if "annotation_id" in file_records[0] else "person_id"
    ids = rec.integers(file_records, field, where)
    rec.unique(ids, field, where)
    count = len(people.joints)
    place = rec.indices_of(ids, np.arange(count), field, where, f"rows of people in {people.file}")
    predicted = np.full((count, 16, 2), np.nan)
    keypoints = rec.numbers(file_records, "keypoints", where, 48).reshape(-1, 16, 3)
    predicted[place] = keypoints[..., :2]
    return predicted
