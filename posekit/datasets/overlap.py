"""Whether the people that are tested are those that a checkpoint was chosen by.

A person is known by the name of its image (without folders) and by where its labelled keypoints lie, not by
ids or paths: MPII's ids are rows of a split, two files may hold the same people, and one file disjoint ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from posekit.datasets.table import PersonTable
from posekit.datasets.topdown import load_people, select_people
from posekit.errors import ConfigError, PosekitError

SAME, OVERLAPPING, DISJOINT, UNKNOWN = "same", "overlapping", "disjoint", "unknown"
# Pixels by which the same keypoint may lie elsewhere in another form of a file: 1-based, or rounded.
TOLERANCE = 2.0
_APART = 1e7  # keeps the people of different images further apart than any keypoints are
# A loader's settings that change a person's box, and not who is scored.
_BOXES = ("detections", "score_threshold", "boxes", "match_iou")


@dataclass(frozen=True)
class Overlap:
    """What test people and validation people have in common.

    Attributes:
        kind: :data:`SAME`, :data:`OVERLAPPING`, :data:`DISJOINT` or :data:`UNKNOWN`.
        common: How many test people are validation people; None where nobody needed to be counted.
        test: How many test people there are; None likewise.
        why: Why it cannot be told; empty where it can.
    """

    kind: str
    common: int | None = None
    test: int | None = None
    why: str = ""

    @property
    def chosen_on_test(self) -> bool:
        """Whether what is chosen by the validation people is chosen by test people too."""
        return self.kind in (SAME, OVERLAPPING)

    def __str__(self) -> str:
        if self.kind == SAME:
            return "the test people are the validation people"
        if self.kind == OVERLAPPING:
            verb = "is" if self.common == 1 else "are"
            return f"{self.common:,} of the {self.test:,} test people {verb} among the validation people"
        if self.kind == DISJOINT:
            return "none of the test people is among the validation people"
        return f"whether test people are among the validation people cannot be told ({self.why})"


def compare_people(validation: PersonTable, test: PersonTable) -> Overlap:
    """Compares the people of two tables.

    Raises:
        ConfigError: If their skeletons have different numbers of keypoints.
    """
    from scipy.spatial import KDTree  # half a second, which few importers need

    numbers = [table.skeleton.num_keypoints for table in (validation, test)]
    if numbers[0] != numbers[1]:
        raise ConfigError(f"people of {numbers[0]} and of {numbers[1]} keypoints cannot be compared")
    places = _places([validation, test])
    found = [
        np.isfinite(KDTree(there).query(own, p=np.inf, distance_upper_bound=TOLERANCE)[0])
        for own, there in (places, places[::-1])
    ]
    common, of = int(found[1].sum()), len(test)
    kind = SAME if found[0].all() and common == of else OVERLAPPING if common else DISJOINT
    return Overlap(kind, common, of)


def _places(tables: list[PersonTable]) -> list[np.ndarray]:
    """Each person as a point, float64 (N, 2 K + 5): its image, its keypoints; without these, its box."""
    names = [[name.rpartition(b"/")[2] for name in table.image_names.tolist()] for table in tables]
    number = {name: i for i, name in enumerate(dict.fromkeys([*names[0], *names[1]]))}
    found = []
    for table, own in zip(tables, names, strict=True):
        image = np.array([number[name] for name in own], np.float64)[table.image_index]
        unlabelled = (table.visible == 0).all(axis=1, keepdims=True)
        boxes = np.where(unlabelled, table.boxes_xyxy, 0.0)
        points = table.keypoints.reshape(len(table), 2 * table.skeleton.num_keypoints)
        points = np.concatenate([points, boxes], axis=1)
        points = np.clip(points, -_APART / 4, _APART / 4)
        found.append(np.concatenate([_APART * image[:, None], points], axis=1, dtype=np.float64))
    return found


def compare_sets(validation: Any, test: Any, people: PersonTable | None = None) -> Overlap:
    """Compares the people of two data sets by their configs; what cannot be read is told, and no error.

    Detected boxes are passed by: scored are the annotated people of their images. Nothing is read where the
    configs name the same people, and a file that both name is read once.

    Args:
        validation: The config's ``val_dataloader.dataset``.
        test: Its ``test_dataloader.dataset``.
        people: The people of ``validation``, where they have been read.
    """
    try:
        sets = [people_alone(part) for part in (validation, test)]
        if sets[0] == sets[1]:
            return Overlap(SAME)
        if any("source" not in part for part in sets):
            return Overlap(UNKNOWN, why="the data sets do not say where their people are from")
        read: list[tuple[Any, PersonTable]] = []
        if people is None or not people.visible.any():  # detections know no keypoints
            people = _read(sets[0], read)
        return compare_people(people, _read(sets[1], read))
    except Exception as error:  # neither a training nor a sweep needs the answer
        kind = "" if isinstance(error, PosekitError) else f"{type(error).__name__}: "
        return Overlap(UNKNOWN, why=f"{kind}{error}")


def people_alone(dataset: Any) -> dict[str, Any]:
    """What of a data set's config says who is in it; of another kind than posekit's, all of it."""
    if not isinstance(dataset, Mapping) or "source" not in dataset:
        return {"dataset": dataset}
    source = dataset["source"]
    if isinstance(source, Mapping):
        source = {key: value for key, value in source.items() if key not in _BOXES}
    keys = ("skeleton", "keypoint_map", "subset")
    return {"source": source, **{key: dataset.get(key) for key in keys}}


def _read(part: Mapping[str, Any], read: list[tuple[Any, PersonTable]]) -> PersonTable:
    """The people of a part; ``read`` holds what has been read, by its source and skeleton."""
    wanted = (part["source"], part["skeleton"], part["keypoint_map"])
    table = next((table for known, table in read if known == wanted), None)
    if table is None:
        table = load_people(*wanted)
        read.append((wanted, table))
    return select_people(table, part["subset"])
