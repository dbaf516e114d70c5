"""The annotations that a metric scores where faulty ones are left out: those that the loader takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from posekit.datasets.coco_records import AnnotationReader
from posekit.errors import DataError


def usable_annotations(
    annotations: Sequence[Any],
    path: str,
    num_keypoints: int,
    category_ids: np.ndarray,
    all_category_ids: np.ndarray,
    image_ids: np.ndarray,
    check: Callable[[Mapping[str, Any]], object],
) -> tuple[list[Mapping[str, Any]], frozenset[int], int]:
    """Leaves out what is at fault by the loader's own reading, and what a metric could not read.

    Args:
        annotations: Of the file.
        path: The file, for messages.
        num_keypoints: K.
        category_ids: Categories with keypoints.
        all_category_ids: Of the file; annotations of those without keypoints stay as they are.
        image_ids: The file's images.
        check: Raises DataError of what the metric cannot read: of crowds, too, of which the loader reads
            nothing more.

    Returns:
        The annotations, those with a box alone having K keypoints that are not labelled; the ids of those
        that were left out; and how many have a box alone.
    """
    images = image_ids.tolist()
    reader = AnnotationReader(
        path,
        num_keypoints,
        frozenset(category_ids.tolist()),
        {image_id: row for row, image_id in enumerate(images)},
        Counter(),
        [(0, 0)] * len(images),
        {},
        any_area=True,
    )
    known = frozenset(all_category_ids.tolist())
    kept, boxes_alone = [], 0
    for number, annotation in enumerate(annotations):
        category = annotation.get("category_id") if isinstance(annotation, Mapping) else None
        if not isinstance(category, int) or category not in known:
            continue
        of_people = category in reader.categories
        box_alone = of_people and "keypoints" not in annotation
        if box_alone:
            annotation = {**annotation, "keypoints": [0] * (3 * num_keypoints)}
        if of_people:  # counted anew whatever it is, so that it makes nobody unusable
            annotation = {**annotation, "num_keypoints": None}
        try:
            reader.read(number, annotation)
            if of_people:
                check(annotation)
        except DataError:
            continue
        kept.append(annotation)
        boxes_alone += box_alone
    ids = {a["id"] for a in annotations if isinstance(a, Mapping) and isinstance(a.get("id"), int)}
    return kept, frozenset(ids - {annotation["id"] for annotation in kept}), boxes_alone
