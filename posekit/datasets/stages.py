"""Two stages: what a data set knows of a first network's points, by which a second one's crops are placed.

A first stage is anything that is called with a table and an :class:`~posekit.transforms.Upright` and gives
each person's points, float (N, K, 3): x and y in image pixels, score; NaN or score 0 where it has none.
:class:`~posekit.inference.stages.FirstStage` runs a network; :class:`StoredPoints` reads what one predicted
before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from posekit.datasets.balance import align_shapes
from posekit.datasets.mapping import columns_of, map_keypoints
from posekit.datasets.table import PersonTable
from posekit.errors import ConfigError, DataError, shown
from posekit.io.files import read_json
from posekit.io.records import record_list
from posekit.registry import DATASETS
from posekit.skeletons import get_skeleton
from posekit.structures import Skeleton
from posekit.transforms import Crop, Placement, Upright
from posekit.transforms.similarity import similarity_warp

FirstPoints = Callable[[PersonTable, Upright], np.ndarray]


class Placed:
    """Where the crops of a data set's people lie, by points.

    Args:
        table: The people.
        crop: What a box becomes.
        upright: What is corrected by the points.
        first_stage: Gives them; None: they are the labelled keypoints.

    Raises:
        ConfigError: Without ``upright``, if it names no keypoints of theirs, or if the first stage's points
            have another shape.
        DataError: What the first stage raises.
    """

    def __init__(
        self, table: PersonTable, crop: Crop, upright: Upright | None, first_stage: FirstPoints | None
    ) -> None:
        if upright is None:
            raise ConfigError("dataset: 'first_stage' needs an 'upright', which says what is corrected by it")
        upright.check_skeleton(table.skeleton)
        self.table, self.crop, self.upright, self.first_stage = table, crop, upright, first_stage
        if first_stage is None:
            self.points, self.known = table.keypoints, table.visible > 0
            return
        found = np.asarray(first_stage(table, upright), np.float32)
        if found.shape != (*table.visible.shape, 3):
            raise ConfigError(
                f"first_stage: expected x, y and score of {len(table)} people's {table.visible.shape[1]} "
                f"keypoints, (N, K, 3), found {found.shape}"
            )
        self.points, self.known = found[..., :2], upright.known(found[..., :2], found[..., 2])

    def of(self, row: int) -> Placement:
        """The crop of a row, by its points; its box's where they tell nothing."""
        return self._by_points(row, self.crop.place(self.table.boxes_xyxy[row]))

    def _by_points(self, row: int, given: Placement) -> Placement:
        return self.upright.place(self.points[row], self.known[row], self.table.skeleton, self.crop, given)

    @cached_property
    def by_box(self) -> int:
        """Of how many people the points tell nothing, so that their crops are the boxes'."""
        boxes = map(self.crop.place, self.table.boxes_xyxy)
        return sum(self._by_points(row, given) is given for row, given in enumerate(boxes))

    def describe(self) -> str:
        """What places the crops, in words."""
        if self.first_stage is None:
            return f"{self.upright.describe()} by the labelled keypoints"
        return (
            f"{self.upright.describe()} by {_words(self.first_stage)}; {self.by_box} of {len(self.table)} as "
            "their boxes, of which it tells nothing"
        )


def _words(first_stage: Any) -> str:
    return str(first_stage.describe()) if hasattr(first_stage, "describe") else type(first_stage).__name__


@DATASETS.register_module()
class StoredPoints:
    """The points of a first network that were predicted before: a ``results.json`` of ``tools/test.py``.

    For large training sets: nothing is computed when a training starts. The file is of a test on annotated
    boxes, whose results say whom they are of (``annotation_id``). A person who is not in it has no points.

    Args:
        results: The file.
        skeleton: Its keypoints, where they are not the data set's; those of the same name are taken.

    Raises:
        DataError: On a file of another form, or of other people.
    """

    def __init__(self, results: str, skeleton: Skeleton | str | Mapping[str, Any] | None = None) -> None:
        self.results = results
        self.skeleton = None if skeleton is None else get_skeleton(skeleton)

    def __call__(self, table: PersonTable, upright: Upright) -> np.ndarray:
        """The people's points, float32 (N, K, 3)."""
        skeleton = self.skeleton or table.skeleton
        records = record_list(read_json(self.results), None, self.results)
        by_person: dict[Any, np.ndarray] = {}
        for number, record in enumerate(records):
            where = f"{self.results}: result {number}"
            if "annotation_id" not in record:
                raise DataError(
                    f"{where}: expected an 'annotation_id', which says whom it is of; tools/test.py writes "
                    "it of people in annotated boxes. Or run the network: first_stage=dict(type=FirstStage)"
                )
            by_person[record["annotation_id"]] = _triples(record, skeleton.num_keypoints, where)
        found = np.zeros((len(table), skeleton.num_keypoints, 3), np.float32)
        rows = [row for row, person in enumerate(table.person_ids.tolist()) if person in by_person]
        if not rows:
            raise DataError(
                f"{self.results}: expected results of people of {table.ann_file} (ids "
                f"{table.person_ids[:3].tolist()}, ...), found none among {len(records)}"
            )
        for row in rows:
            found[row] = by_person[int(table.person_ids[row])]
        return by_names(found, skeleton, table.skeleton, upright)

    def describe(self) -> str:
        """Where the points are from."""
        return f"the points of {self.results}"


def _triples(record: Mapping[str, Any], count: int, where: str) -> np.ndarray:
    try:
        values = np.asarray(record.get("keypoints"), np.float32)
    except (TypeError, ValueError):  # texts, lists of differing lengths
        values = np.zeros(0, np.float32)
    if values.size != 3 * count:
        raise DataError(
            f"{where}, field 'keypoints': expected {3 * count} numbers (x, y, score), found "
            f"{shown(record.get('keypoints'))}"
        )
    return values.reshape(count, 3)


def by_names(found: np.ndarray, source: Skeleton, target: Skeleton, upright: Upright) -> np.ndarray:
    """A first network's points as those of another skeleton, by their names.

    Args:
        found: float32 (N, K, 3), x, y, score.
        source: What these K keypoints are.
        target: Whose keypoints are wanted.
        upright: What they are for.

    Returns:
        float32 (N, T, 3); zeros for what the source does not have.

    Raises:
        ConfigError: If the source lacks what ``upright`` names.
    """
    if source == target:
        return found
    upright.check_skeleton(source, "the first network's")
    points, scores = map_keypoints(found[..., :2], found[..., 2], columns_of(source, target))
    return np.concatenate([points, scores[..., None]], axis=-1)


@DATASETS.register_module()
def mean_shape(table: PersonTable) -> dict[str, list[float]]:
    """The mean of people's shapes, upright as they are on the whole, for :class:`~posekit.transforms.Shape`.

    By generalised Procrustes analysis (:func:`~posekit.datasets.balance.align_shapes`) of the people whose
    keypoints are all labelled; the mean is then turned as the mean of the shapes as they stand is.

    Returns:
        Keypoint's name -> [x, y], of norm 1 about (0, 0).

    Raises:
        DataError: If of nobody all keypoints are labelled.
    """
    whole = (table.visible > 0).all(axis=1)
    shapes = table.keypoints[whole].astype(np.float64)
    centred = shapes - shapes.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=(1, 2), keepdims=True)
    if not len(shapes) or not norms.all():
        raise DataError(f"{table.ann_file}: mean_shape: expected people whose keypoints are all labelled")
    _, mean = align_shapes(shapes)
    linear = similarity_warp(mean, (centred / norms).mean(axis=0))[:, :2]
    upright = mean @ (linear / np.hypot(linear[0, 0], linear[0, 1])).T
    return dict(zip(table.skeleton.keypoints, upright.round(6).tolist(), strict=True))
