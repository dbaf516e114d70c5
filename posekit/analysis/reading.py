"""Reads what an analysis is of: people, their skeleton, and results, each with its person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from posekit.doctor.name_sides import named_pairs
from posekit.errors import ConfigError, DataError
from posekit.io.categories import same_names
from posekit.metrics.errors import PAIRING_OKS
from posekit.metrics.ground_truth import CocoPeople
from posekit.metrics.keypoint_kinds import KeypointKinds, kinds_of_keypoints
from posekit.metrics.oks import Detections, GroundTruth, match, pair_oks, ranked_pairs
from posekit.metrics.person_errors import pair_rows, points_of_rows
from posekit.metrics.results import Assignment, Results, assign_results, read_results, rows_by_id
from posekit.skeletons import SKELETONS, get_skeleton
from posekit.structures import Skeleton

AUTO, BY_ID, BY_OKS = "auto", "id", "oks"
PAIRINGS = (AUTO, BY_ID, BY_OKS)


@dataclass(frozen=True, eq=False)
class Scored:
    """The results of one file, and whose they are; G people, D results, K keypoints.

    Attributes:
        path: The file.
        name: What it is called.
        results: As read.
        pose_rows: int64 (G,), the row of each person's pose; -1: none, and so for whom nobody is to be found
            (crowds, people without labelled keypoints).
        oks: float64 (G,), of that pose; 0 without one.
        kinds: Of its keypoints.
        strays: int64, rows of the poses that belong to nobody, nor to a crowd or somebody without keypoints.
        assigned: The poses as PCK assigns them (``tools/evaluate.py pck``).
    """

    path: str
    name: str
    results: Results
    pose_rows: np.ndarray
    oks: np.ndarray
    kinds: KeypointKinds
    strays: np.ndarray
    assigned: Assignment

    @property
    def detections(self) -> Detections:
        return self.results.detections


def choose_skeleton(
    people: CocoPeople, content: Any, stated: str | Skeleton | Mapping[str, Any] | None = None
) -> Skeleton:
    """The skeleton of the people's keypoints: its flip pairs tell inversions, its limbs are drawn.

    Args:
        people: The ground truth.
        content: Its file's; the limbs are those of its categories' ``skeleton``.
        stated: The skeleton, or a name of :data:`~posekit.skeletons.SKELETONS`; None: that of these whose
            keypoints have the same names; else the file's names, paired where they differ in left and
            right.

    Raises:
        ConfigError: If the stated one is unknown or has other keypoints.
    """
    if stated is not None:
        skeleton = get_skeleton(stated)
        if not same_names(skeleton.keypoints, people.names):
            raise ConfigError(
                f"skeleton '{skeleton.name}': expected the keypoints of {people.file}, {list(people.names)}, "
                f"found {list(skeleton.keypoints)}"
            )
        return skeleton
    for known in SKELETONS.values():
        if same_names(known.keypoints, people.names):
            return known
    names = people.names
    if len(set(names)) != len(names):
        raise DataError(
            f"{people.file}: categories: expected unique names of 'keypoints', found {list(names)}"
        )
    category = next(c for c in content["categories"] if c["id"] == int(people.truth.category_ids[0]))
    return Skeleton("the file's", names, named_pairs(names), _limbs(category, names))


def _limbs(category: Mapping[str, Any], names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """A category's ``skeleton``, pairs of numbers from 1 on; what is not so is not drawn."""
    listed = category.get("skeleton")
    pairs = [pair for pair in listed if isinstance(pair, list)] if isinstance(listed, list) else []
    numbers = range(1, len(names) + 1)
    whole = [p for p in pairs if len(p) == 2 and all(type(n) is int and n in numbers for n in p)]
    return tuple((names[a - 1], names[b - 1]) for a, b in whole if a != b)


def read_all(paths: Sequence[str], people: CocoPeople, pairing: str) -> tuple[list[Results], str]:
    """Reads the results and decides how they find their people; with "oks" no ids are kept.

    Args:
        paths: The files.
        people: The ground truth.
        pairing: One of :data:`PAIRINGS`; "auto": by id where all files name their annotations.

    Raises:
        DataError: As :func:`~posekit.metrics.results.read_results`; if a file has no result at all; if "id"
            is asked for and a file names none.
    """
    read = [read_results(path, people) for path in paths]
    for path, results in zip(paths, read, strict=True):
        if not len(results.detections):
            raise DataError(
                f"{path}: expected results of the {len(people.truth.image_ids)} images that are scored, "
                "found none. " + (" ".join(results.notes) or "The list is empty: did the prediction fail?")
            )
        if pairing == BY_ID and results.annotation_ids is None:
            raise DataError(
                f"{path}: results: expected an 'annotation_id' in each (--pairing id), found none"
            )
    by_id = pairing != BY_OKS and all(results.annotation_ids is not None for results in read)
    if not by_id:
        read = [replace(results, annotation_ids=None) for results in read]
    return read, BY_ID if by_id else BY_OKS


def score(
    path: str,
    name: str,
    results: Results,
    people: CocoPeople,
    sigmas: np.ndarray,
    skeleton: Skeleton,
    max_per_image: int,
) -> Scored:
    """Gives results to people, by ``annotation_id`` if they have it, and looks at every keypoint.

    Raises:
        DataError: If an ``annotation_id`` is unknown, repeated or of another image.
    """
    truth, detections = people.truth, results.detections
    if results.annotation_ids is not None:
        rows = np.full(len(truth), -1)
        rows[rows_by_id(results, people, f"{path}: results")] = np.arange(len(detections))
    else:
        rows = pair_rows(truth, detections, sigmas, max_per_image)
    rows[truth.ignore] = -1
    person = np.flatnonzero(rows >= 0)
    oks = np.zeros(len(truth))
    oks[person] = pair_oks(truth, detections.keypoints, person, rows[person], sigmas)
    real = np.flatnonzero(~truth.ignore)
    found = kinds_of_keypoints(
        points_of_rows(people, detections, rows)[real],
        truth.keypoints[real, :, :2],
        people.labelled[real],
        truth.areas[real],
        sigmas,
        skeleton.flip_index,
        truth.image[real],
    )
    shape = people.labelled.shape
    kinds = KeypointKinds(np.full(shape, -1, np.int8), np.zeros(shape), np.zeros(shape))
    for name_, values in vars(found).items():
        getattr(kinds, name_)[real] = values
    whose = ~_strays(truth, detections, sigmas, max_per_image)
    whose[rows[person]] = True
    strays = np.flatnonzero(~whose)
    return Scored(path, name, results, rows, oks, kinds, strays, assign_results(results, people, path))


def _strays(truth: GroundTruth, detections: Detections, sigmas: np.ndarray, max_per_image: int) -> np.ndarray:
    """Which poses COCO's pairing gives to nobody at all, bool (D,); those beyond the most count for no AP."""
    rows, rank, pairs = ranked_pairs(truth, detections, sigmas, max_per_image)
    strays = np.zeros(len(detections), bool)
    strays[rows] = match(truth, pairs, rank, truth.ignore, np.array([PAIRING_OKS]))[:, 0] < 0
    return strays
