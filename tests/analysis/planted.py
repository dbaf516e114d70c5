"""Rendered scenes' people (without their pictures), perfect results of them, and planted errors."""

from __future__ import annotations

from collections import Counter

import numpy as np

from posekit.skeletons import MPII16
from posekit.synthetic.records import annotate, coco_annotations
from posekit.synthetic.scene import sample_scene

SIGMAS = np.array(MPII16.sigmas)
FLIP = MPII16.flip_index


def synthetic_people(images: int = 40, people: int = 6, seed: int = 0) -> dict:
    """A COCO ground truth of 16 joints, with neighbours, people without keypoints and crowds."""
    content: dict = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "person", "keypoints": list(MPII16.keypoints)}],
    }
    for number in range(images):
        rng = np.random.default_rng((seed, number))
        note = annotate(sample_scene(rng, people if number % 2 else None), rng)
        height, width = note.size_hw
        image = {"id": number + 1, "file_name": f"{number}.png", "height": height, "width": width}
        content["images"].append(image)
        for annotation in coco_annotations(note, number + 1):
            content["annotations"].append({**annotation, "id": len(content["annotations"]) + 1})
    return content


def perfect_results(content: dict, ids: bool = False) -> list[dict]:
    """A pose at each labelled person's true places; unlabelled keypoints in its box's corner."""
    results = []
    for annotation in content["annotations"]:
        points = np.reshape(annotation["keypoints"], (-1, 3))
        if annotation["iscrowd"] or not (points[:, 2] > 0).any() or annotation["area"] <= 0:
            continue
        placed = np.where(points[:, 2:] > 0, points[:, :2], annotation["bbox"][:2])
        results.append(
            {
                "image_id": annotation["image_id"],
                "category_id": 1,
                "keypoints": np.concatenate([placed, np.ones((16, 1))], axis=1).ravel().tolist(),
                "score": round(0.5 + 0.4 * (annotation["id"] * 0.618 % 1), 6),
                "annotation_id": annotation["id"],
            }
        )
        if not ids:
            del results[-1]["annotation_id"]
    return results


def radius(area: float, joint: int, similarity: float) -> float:
    """The distance, pixels, at which a keypoint has a similarity."""
    return float(2 * SIGMAS[joint] * np.sqrt(-2 * np.log(similarity) * area))


def far_from(place: np.ndarray, joint: int, people: list[dict]) -> bool:
    """Whether a place is similar by less than a tenth to the joint and its partner of all these people."""
    for person in people:
        points = np.reshape(person["keypoints"], (-1, 3))
        for other in {joint, int(FLIP[joint])}:
            near = np.linalg.norm(points[other, :2] - place) < radius(person["area"], other, 0.1)
            if points[other, 2] > 0 and near:
                return False
    return True


def planted_at(kind: str, person: dict, joint: int, people: list[dict]) -> np.ndarray | None:
    """Where a joint is to be put for an error of a kind; None where it would be another kind."""
    points = np.reshape(person["keypoints"], (-1, 3))
    others = [other for other in people if other is not person]
    if kind == "miss":
        return np.array([-5000.0, -5000.0])
    if kind == "jitter":
        place = points[joint, :2] + radius(person["area"], joint, 0.7) * np.array([0.6, 0.8])
        alone = {**person, "keypoints": only(points, int(FLIP[joint]))} if FLIP[joint] != joint else None
        return place if far_from(place, joint, [*others, *([alone] if alone else [])]) else None
    if kind == "inversion":
        partner = int(FLIP[joint])
        alone = {**person, "keypoints": only(points, joint)}
        if partner == joint or not points[partner, 2]:
            return None
        place = points[partner, :2]
        return place if far_from(place, joint, [*others, alone]) else None
    for other in others:
        place = np.reshape(other["keypoints"], (-1, 3))[joint]
        if place[2] and other["area"] > 0 and far_from(place[:2], joint, [person]):
            return place[:2]
    return None


def only(points: np.ndarray, joint: int) -> list[float]:
    """A person's keypoints with this one labelled alone."""
    kept = points.copy()
    kept[np.arange(16) != joint, 2] = 0
    return kept.ravel().tolist()


def plant(content: dict, results: list[dict], kinds: tuple[str, ...], seed: int = 1) -> Counter:
    """Moves one joint of every other labelled person, the kinds in turn; returns how many of each kind."""
    rng, done, turn = np.random.default_rng(seed), Counter(), 0
    people = [a for a in content["annotations"] if not a["iscrowd"] and any(a["keypoints"][2::3])]
    listed = {tuple(np.round(a["keypoints"], 2)): a for a in people}
    assert len(listed) == len(people)
    rows = {id(a): r for a, r in zip([a for a in people if a["area"] > 0], results, strict=True)}
    for person in people[::2]:
        points = np.reshape(person["keypoints"], (-1, 3))
        if id(person) not in rows or (points[:, 2] > 0).sum() < 5:
            continue
        beside = [a for a in people if a["image_id"] == person["image_id"]]
        for kind in (kinds[turn % len(kinds)], *kinds):
            joints = rng.permutation(np.flatnonzero(points[:, 2] > 0)).tolist()
            places = [(j, planted_at(kind, person, j, beside)) for j in joints]
            joint, place = next(((j, p) for j, p in places if p is not None), (0, None))
            if place is None:
                continue
            rows[id(person)]["keypoints"][3 * joint : 3 * joint + 2] = place.tolist()
            done[kind] += 1
            done[kind, MPII16.keypoints[joint]] += 1
            turn += 1
            break
    return done
