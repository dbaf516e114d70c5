"""Labels of attributes and predictions of them from files, to score one against the other; without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import ConfigError, DataError, shown
from posekit.io import records as rec
from posekit.io.face_csv import image_numbers, number_column, read_face_csv
from posekit.io.files import read_json
from posekit.metrics.attributes import UNKNOWN, attribute_scores, confusion
from posekit.metrics.face_files import check_images, is_csv

Labels = dict[str, np.ndarray]


def score_attribute_files(
    truth: str | Path,
    results: str | Path,
    attributes: Sequence[str],
    image_ids: Sequence[int] | None = None,
) -> tuple[dict[str, float], int]:
    """Accuracies and confusion matrices, see :func:`~posekit.metrics.attributes.attribute_scores`.

    Args:
        truth: A csv of faces with columns of these names, a face's id being its row from 1; or a COCO json
            with such fields in its annotations. A label that is missing, or -1, is not known.
        results: What ``tools/test.py`` wrote: records with ``annotation_id`` and ``extra``.
        attributes: Their names.
        image_ids: Score the people of these images alone, as ``image_ids.json`` beside the results of a part
            lists them; None: all.

    Returns:
        The scores, and the number of people.

    Raises:
        ConfigError: If the truth has no such column.
        DataError: On a faulty file, a result of somebody unknown, or somebody of known label without one.
    """
    stated: set[int] = set()  # images, of which some may have nobody
    if is_csv(truth):
        ids, images, columns = _csv(truth, attributes)
    else:
        content = read_json(truth)
        ids, images, columns = _coco(content, truth, attributes)
        if isinstance(content, Mapping) and "images" in content:
            pictures = rec.record_list(content, "images", truth)
            stated = {*rec.integers(pictures, "id", f"{truth}: images").tolist()}
    unknown = sorted({*(image_ids or ())} - {*images.tolist()} - stated)
    if unknown:
        raise DataError(
            f"{truth}: there are no images with the ids {shown(unknown[:3])}, which --images asks for"
        )
    chosen = np.ones(len(ids), bool) if image_ids is None else np.isin(images, image_ids)
    records = rec.record_list(read_json(results), None, results)
    where = f"{results}: results"
    people = rec.integers(records, "annotation_id", where)
    rec.unique(people, "annotation_id", where)
    order = np.argsort(ids)
    place = order[rec.indices_of(people, ids[order], "annotation_id", where, f"people of {truth}")]
    check_images(records, images[place], where, truth)
    matrices = {}
    for name, labels in columns.items():
        predicted = np.full(len(ids), UNKNOWN)
        predicted[place] = _predicted(records, name, where)
        known = chosen & (labels != UNKNOWN)
        missing = known & ~np.isin(ids, people)
        if missing.any():
            raise DataError(
                f"{results}: {int(missing.sum())} people of {truth} with a label of {name!r} have no result, "
                f"the first has id {ids[missing][0]}; of a part of the data set: --images image_ids.json"
            )
        classes = np.union1d(labels[known], predicted[known])
        matrices[name] = classes, confusion(labels[known], predicted[known], classes)
    return attribute_scores(matrices), int(chosen.sum())


def _csv(path: str | Path, attributes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, Labels]:
    rows = read_face_csv(path)
    unknown = [name for name in attributes if name not in rows.columns]
    if unknown:
        raise ConfigError(f"{path}: has no column {unknown[0]!r}; expected some of {sorted(rows.columns)}")
    columns = {name: number_column(rows, name, UNKNOWN) for name in attributes}
    for name, column in columns.items():
        if (column != np.floor(column)).any():
            raise DataError(f"{path}, column '{name}': expected whole numbers")
    images = image_numbers(rows)
    labels = {name: column.astype(np.int64) for name, column in columns.items()}
    return np.arange(1, len(images) + 1), images, labels


def _coco(content: Any, path: str | Path, attributes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, Labels]:
    records = rec.record_list(content, "annotations", path)
    where = f"{path}: annotations"
    for name in attributes:
        if not any(name in record for record in records):
            raise ConfigError(f"{where}: none has a field {name!r}")
    labels = {
        name: rec.integers([{name: record.get(name, UNKNOWN)} for record in records], name, where)
        for name in attributes
    }
    ids = rec.integers(records, "id", where)
    rec.unique(ids, "id", where)
    return ids, rec.integers(records, "image_id", where), labels


def _predicted(records: Sequence[Mapping[str, Any]], name: str, where: str) -> np.ndarray:
    found = [record.get("extra") for record in records]
    own = [extra if isinstance(extra, Mapping) and name in extra else None for extra in found]
    if None in own:
        raise DataError(
            f"{where}, record {own.index(None)}: expected a prediction of {name!r} in its 'extra', as an "
            "AttributeHead of that column gives it"
        )
    return rec.integers([{name: extra[name]} for extra in own if extra], name, f"{where}, 'extra'")
