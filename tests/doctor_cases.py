"""A clean set for the doctor's tests, of rendered people's annotations, and faults to be planted in it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from posekit.doctor import examine
from posekit.doctor.checks import Part
from posekit.doctor.coco_facts import facts_of_coco
from posekit.skeletons import MPII16
from posekit.synthetic.records import annotate, coco_annotations
from posekit.synthetic.scene import sample_scene

IMAGES = 170


@cache
def _people() -> dict[str, Any]:
    images, annotations = [], []
    for number in range(IMAGES):
        scene, notes = (np.random.default_rng((7, number, stage)) for stage in range(2))
        note = annotate(sample_scene(scene), notes)
        height, width = note.size_hw
        images.append({"id": number + 1, "file_name": f"{number}.jpg", "height": height, "width": width})
        annotations += coco_annotations(note, number + 1)
    for number, annotation in enumerate(annotations):
        annotation["id"] = 1000 + number
    category = {"id": 1, "name": "person", "keypoints": list(MPII16.keypoints)}
    return {"images": images, "annotations": annotations, "categories": [category]}


def people() -> dict[str, Any]:
    """A fresh copy of the clean file's content."""
    return copy.deepcopy(_people())


def found(content: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """Kind -> finding, of a file's content."""
    return {finding.kind: finding for finding in examine([part(content, **facts)])}


def part(content: dict[str, Any], name: str = "", **facts: Any) -> Part:
    """A file's content as a part to be examined."""
    return Part(name, replace(facts_of_coco(content, "people.json")[0], **facts))


def labelled(content: dict[str, Any]) -> list[int]:
    """Numbers of the records with labelled keypoints."""
    return [n for n, a in enumerate(content["annotations"]) if any(a["keypoints"][2::3]) and not a["iscrowd"]]


def plant(
    content: dict[str, Any], fault: Callable[[dict[str, Any], np.ndarray], None], share: float, seed: int = 0
) -> set[int]:
    """Does something to a share of the labelled people; returns the numbers of their records."""
    everybody = labelled(content)
    number = max(1, round(share * len(everybody)))
    chosen = np.random.default_rng(seed).choice(everybody, number, replace=False).tolist()
    sizes = {image["id"]: np.array([image["width"], image["height"]]) for image in content["images"]}
    for row in chosen:
        fault(content["annotations"][row], sizes[content["annotations"][row]["image_id"]])
    return set(chosen)


def points(person: dict[str, Any]) -> np.ndarray:
    """A person's keypoints, float64 (K, 3)."""
    return np.array(person["keypoints"], np.float64).reshape(-1, 3)


def put(person: dict[str, Any], places: np.ndarray) -> None:
    """Sets a person's keypoints."""
    person["keypoints"] = places.reshape(-1).tolist()


# --- faults ---------------------------------------------------------------------------------------------


def corners(person: dict[str, Any], size_wh: np.ndarray) -> None:
    x, y, w, h = person["bbox"]
    person["bbox"] = [x, y, x + w, y + h]


def centre(person: dict[str, Any], size_wh: np.ndarray) -> None:
    x, y, w, h = person["bbox"]
    person["bbox"] = [x + w / 2, y + h / 2, w, h]


def fractions(person: dict[str, Any], size_wh: np.ndarray) -> None:
    places = points(person)
    places[:, :2] /= size_wh
    put(person, places)


def box_fractions(person: dict[str, Any], size_wh: np.ndarray) -> None:
    person["bbox"] = (np.array(person["bbox"]) / np.tile(size_wh, 2)).tolist()


def swap_points(person: dict[str, Any], size_wh: np.ndarray) -> None:
    put(person, points(person)[:, [1, 0, 2]])


def swap_all(person: dict[str, Any], size_wh: np.ndarray) -> None:
    x, y, w, h = person["bbox"]
    person["bbox"] = [y, x, h, w]
    swap_points(person, size_wh)


def tiny(person: dict[str, Any], size_wh: np.ndarray) -> None:
    person["bbox"][2:] = [1.5, 1.5]


def elsewhere(person: dict[str, Any], size_wh: np.ndarray) -> None:
    x, y, w, h = person["bbox"]
    left = x + w / 2 > size_wh[0] / 2
    person["bbox"] = [0.0 if left else size_wh[0] - w / 3, y, w / 3, h / 2]


def enlarge(person: dict[str, Any], size_wh: np.ndarray) -> None:
    places = points(person)
    places[:, :2] *= 2.5
    put(person, places)
    person["bbox"] = [2.5 * value for value in person["bbox"]]


def in_corner(person: dict[str, Any], size_wh: np.ndarray) -> None:
    places = points(person)
    places[np.flatnonzero(places[:, 2])[-1]] = 0, 0, 2
    put(person, places)


def far_off(person: dict[str, Any], size_wh: np.ndarray) -> None:
    places = points(person)
    there = places[:, 2] > 0
    spread = np.ptp(places[there, :2], axis=0)
    places[np.flatnonzero(there)[0], :2] = places[there, :2].max(axis=0) + 3 * spread
    put(person, places)


def astray(person: dict[str, Any], size_wh: np.ndarray) -> None:
    """One joint on the far side of the picture from a small box about the others."""
    places = points(person)
    there = np.flatnonzero(places[:, 2] > 0)
    places[there, :2] = 20 + 10 * (places[there, :2] - places[there, :2].min(axis=0)) / np.ptp(
        places[there, :2]
    )
    low, high = places[there, :2].min(axis=0), places[there, :2].max(axis=0)
    person["bbox"] = [*(low - 5), *(high - low + 10)]
    places[there[0], :2] = np.minimum(size_wh - 2, high + 30)
    put(person, places)


def no_area(person: dict[str, Any], size_wh: np.ndarray) -> None:
    person["area"] = 0


def area_gone(person: dict[str, Any], size_wh: np.ndarray) -> None:
    del person["area"]


def area_in_fractions(person: dict[str, Any], size_wh: np.ndarray) -> None:
    person["area"] /= float(size_wh.prod())


def area_of_picture(person: dict[str, Any], size_wh: np.ndarray) -> None:
    person["area"] = float(9 * size_wh.prod())


def box_gone(person: dict[str, Any], size_wh: np.ndarray) -> None:
    del person["bbox"]


def id_as_text(person: dict[str, Any], size_wh: np.ndarray) -> None:
    person["id"] = str(person["id"])


def count_17(person: dict[str, Any], size_wh: np.ndarray) -> None:
    person["num_keypoints"] = 17


def count_gone(person: dict[str, Any], size_wh: np.ndarray) -> None:
    del person["num_keypoints"]


def count_zero(person: dict[str, Any], size_wh: np.ndarray) -> None:
    person["num_keypoints"] = 0


def exchange_sides(person: dict[str, Any], size_wh: np.ndarray) -> None:
    put(person, points(person)[MPII16.flip_index])
