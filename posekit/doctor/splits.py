"""Validation or test people who are training people: by joints, files, or the looks of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posekit.datasets.overlap import TOLERANCE
from posekit.doctor.facts import Facts
from posekit.doctor.finding import Finding, of_images, of_people
from posekit.doctor.likeness import near_pictures

_APART = 1e7  # keeps the people of different images further apart than any keypoints are
_MEANING = "Scores of what was trained on say nothing about new pictures, and checkpoints are chosen by them."
_REMEDY = "Take them out of the training or of the other part; split by picture, better by scene or video."


def check_splits(training: Facts, other: Facts) -> list[Finding]:
    """What training and another part have in common; the surest kind of finding alone for each picture.

    Args:
        training: The training people.
        other: Validation or test people.
    """
    people = same_people(training, other)
    pictures = np.setdiff1d(same_files(training, other), other.image[people])
    alike, twins = near_files(training, other)
    new = ~np.isin(alike, np.concatenate([pictures, other.image[people]]))
    alike, twins = alike[new], twins[new]
    example = f"{other.image_names[alike[0]]} is like {training.image_names[twins[0]]}" if len(alike) else ""
    of = len(other.used)
    return [
        *of_people(
            "people_in_training", people, len(other),
            "the person is a training person: the same picture's name, the same joints", _MEANING, _REMEDY,
        ),
        *of_images(
            "pictures_in_training", pictures, of,
            "the picture is a training picture: the same file", _MEANING, _REMEDY,
        ),
        *of_images(
            "pictures_like_training", alike, of,
            "the picture looks like a training picture: a copy of another size, compression or brightness, "
            f"mirrored, or the next frame ({example})", _MEANING, _REMEDY,
        ),
    ]  # fmt: skip


def same_people(training: Facts, other: Facts) -> np.ndarray:
    """Rows of people of the other part who are training people, int64."""
    if training.names != other.names:
        return np.zeros(0, np.int64)
    names = [[Path(name).name for name in facts.image_names] for facts in (training, other)]
    common = set(names[0]) & set(names[1])
    number = {name: i for i, name in enumerate(sorted(common))}
    rows = [
        np.flatnonzero((facts.image >= 0) & facts.labelled.any(axis=1) & _on(facts, own, common))
        for facts, own in zip((training, other), names, strict=True)
    ]
    if not len(rows[0]) or not len(rows[1]):
        return np.zeros(0, np.int64)
    from scipy.spatial import KDTree  # half a second, which few need

    places = []
    for facts, own, chosen in zip((training, other), names, rows, strict=True):
        points = np.where(facts.labelled[chosen][..., None], facts.reading.points[chosen], 0)
        image = np.array([number[own[i]] for i in facts.image[chosen]], np.float64)
        flat = np.clip(points.reshape(len(chosen), -1), -_APART / 4, _APART / 4)
        places.append(np.concatenate([_APART * image[:, None], flat], axis=1))
    near = KDTree(places[0]).query(places[1], p=np.inf, distance_upper_bound=TOLERANCE)[0]
    return rows[1][np.isfinite(near)]


def _on(facts: Facts, names: list[str], common: set[str]) -> np.ndarray:
    """Bool (N,): who is on a picture of one of these names."""
    return np.array([name in common for name in names] or [False])[facts.image]


def same_files(training: Facts, other: Facts) -> np.ndarray:
    """Rows of the other part's images that are training images, int64."""
    if training.image_dir is None or other.image_dir is None:
        return np.zeros(0, np.int64)
    folders = [Path(str(facts.image_dir)).resolve() for facts in (training, other)]
    known = {folders[0] / training.image_names[row] for row in training.used}
    rows = [row for row in other.used if folders[1] / other.image_names[row] in known]
    return np.array(rows, dtype=np.int64)


def near_files(training: Facts, other: Facts) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the other part's images that look like training images, and of these images: int64 each."""
    thumbs, rows = [], []
    for facts in (training, other):
        pictures = facts.pictures
        if pictures is None or pictures.thumbs is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        rows.append(facts.used[pictures.seen[facts.used]])
        thumbs.append(pictures.thumbs[rows[-1]])
    where, alike = near_pictures(thumbs[1], thumbs[0])
    return rows[1][alike], rows[0][where[alike]]
