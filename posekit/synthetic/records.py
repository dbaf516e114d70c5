"""What an annotator would write down about a scene, in the forms of COCO and of MPII.

Inside posekit pixels are 0-based, an integer being a pixel's centre; the MPII forms are 1-based. A joint
outside the image is not labelled (v = 0); one inside is labelled whether seen (v = 2) or hidden (v = 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from posekit.skeletons import MPII16
from posekit.synthetic.figure import CARRIERS, Figure
from posekit.synthetic.scene import Scene, inside_image
from posekit.synthetic.shapes import contains, topmost

_GRID = 18  # the visible area is counted on a grid of this many points a side
_MIN_SEEN_JOINTS = 5  # a person by the way with fewer is listed without keypoints, as in COCO
_CROWN, _NECK = (MPII16.keypoints.index(name) for name in ("head_top", "upper_neck"))
_AROUND = np.array([[0.0, 0.0], [1, 0], [-1, 0], [0, 1], [0, -1]]) * 0.011


@dataclass(frozen=True, eq=False)
class PersonNote:
    """One annotated person.

    Attributes:
        role: "main" (in both files), "neighbour" (COCO only) or "unlabelled" (COCO, without keypoints).
        box_xyxy: float64 (4,), the body's outline within the image, hidden parts included.
        area: Pixels of the body that are seen.
        joints: float64 (16, 2), also those outside the image.
        visible: uint8 (16,), COCO's flags.
        covered: Number of joints hidden by another person or an object (not by the body itself).
        head_box: float64 (2, 2).
        stature: Upright height in pixels.
        objpos: float64 (2,), MPII's rough position of the person, 0-based.
    """

    role: str
    box_xyxy: np.ndarray
    area: float
    joints: np.ndarray
    visible: np.ndarray
    covered: int
    head_box: np.ndarray
    stature: float
    objpos: np.ndarray


@dataclass(frozen=True, eq=False)
class ImageNote:
    """One annotated image: its size, its people and the box of a distant crowd, if there is one."""

    size_hw: tuple[int, int]
    people: list[PersonNote]
    crowd_box: np.ndarray | None


def _clip_box(box: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    limit = np.array([size_hw[1], size_hw[0]] * 2, dtype=float)
    return np.clip(box, 0, limit)


def _visibility(scene: Scene, index: int, heights: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, int]:
    """COCO's flags (16,) of a person, and how many joints other layers hide."""
    figure = scene.layers[index]
    assert isinstance(figure, Figure)
    inside = inside_image(figure.joints, scene.size_hw)
    places = figure.joints.copy()  # the crown is the head's very edge: look a little lower
    places[_CROWN] += 0.2 * (places[_NECK] - places[_CROWN])
    samples = places[:, None] + _AROUND * figure.stature
    top = topmost(heights, samples.reshape(-1, 2)).reshape(16, -1)
    first = int(np.flatnonzero(owner == index)[0])
    flags = np.zeros(16, np.uint8)
    covered = 0
    for joint in np.flatnonzero(inside):
        parts = [figure.part_names[t - first] if t >= 0 and owner[t] == index else "" for t in top[joint]]
        seen = sum(part in CARRIERS[int(joint)] for part in parts)
        flags[joint] = 2 if seen >= 2 else 1
        others = sum(t >= 0 and owner[t] != index for t in top[joint])
        covered += flags[joint] == 1 and others >= 2
    return flags, int(covered)


def _seen_area(scene: Scene, index: int, box: np.ndarray, heights: np.ndarray, owner: np.ndarray) -> float:
    """Pixels in which a person's layer is the topmost."""
    steps = (np.arange(_GRID) + 0.5) / _GRID
    x, y = np.meshgrid(box[0] + steps * (box[2] - box[0]), box[1] + steps * (box[3] - box[1]))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    own = contains(scene.layers[index].heights, points).any(axis=1)
    front = heights[owner > index]
    hidden = contains(front, points).any(axis=1) if len(front) else np.zeros(len(points), bool)
    return float((own & ~hidden).mean() * (box[2] - box[0]) * (box[3] - box[1]))


def _objpos(figure: Figure, flags: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Where MPII's annotator would have clicked.

    The releases crop at objpos + (0, 15 scale) with scale = height / 200, that is 0.075 body heights lower;
    so the click lies that much above the middle of the labelled joints, give or take a little.
    """
    joints = figure.joints[flags > 0]
    middle = (joints.min(axis=0) + joints.max(axis=0)) / 2
    error = np.clip(rng.normal(0, 0.026, size=2), -0.045, 0.045)
    return middle + figure.stature * (np.array([0.0, -0.075]) + error)


def annotate(scene: Scene, rng: np.random.Generator) -> ImageNote:
    """Annotates a scene.

    Args:
        scene: The picture's contents.
        rng: For the annotator's imprecision (``objpos``).

    Returns:
        Its people in the order of the layers. People of whom hardly anything is seen are left out.
    """
    heights = np.concatenate([layer.heights for layer in scene.layers])
    owner = np.repeat(np.arange(len(scene.layers)), [len(layer.heights) for layer in scene.layers])
    people = []
    for index in sorted([*scene.main, *scene.neighbours]):
        figure = scene.layers[index]
        if not isinstance(figure, Figure):
            continue
        box = _clip_box(figure.box, scene.size_hw)
        if min(box[2] - box[0], box[3] - box[1]) < 4:
            continue
        flags, covered = _visibility(scene, index, heights, owner)
        area = _seen_area(scene, index, box, heights, owner)
        role = "main" if index in scene.main else "neighbour"
        if role == "neighbour" and (flags == 2).sum() < _MIN_SEEN_JOINTS:
            role = "unlabelled"
        if area < 40 or not flags.any():
            continue
        objpos = _objpos(figure, flags, rng)
        people.append(
            PersonNote(
                role, box, area, figure.joints, flags, covered, figure.head_box, figure.stature, objpos
            )
        )
    return ImageNote(scene.size_hw, people, _crowd_box(scene))


def _crowd_box(scene: Scene) -> np.ndarray | None:
    boxes = [
        layer.box for k, layer in enumerate(scene.layers) if k in scene.crowd and isinstance(layer, Figure)
    ]
    if not boxes:
        return None
    corners = np.array(boxes)
    whole = np.concatenate([corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)])
    return _clip_box(whole, scene.size_hw)


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 2) for value in values]


def coco_annotations(note: ImageNote, image_id: int) -> list[dict[str, Any]]:
    """The image's ``annotations`` of a COCO ``person_keypoints`` file, without their ids."""
    found = []
    for person in note.people:
        labelled = person.visible > 0 if person.role != "unlabelled" else np.zeros(16, bool)
        flags = np.where(labelled, person.visible, 0)
        points = np.where(labelled[:, None], person.joints, 0.0)
        triples = [
            v for point, flag in zip(points, flags, strict=True) for v in (*_rounded(point), int(flag))
        ]
        found.append(_coco_item(image_id, person.box_xyxy, person.area, triples, int(labelled.sum()), 0))
    if note.crowd_box is not None:
        sides = note.crowd_box[2:] - note.crowd_box[:2]
        nothing = [0.0] * (3 * MPII16.num_keypoints)
        found.append(_coco_item(image_id, note.crowd_box, float(sides.prod()), nothing, 0, 1))
    return found


def _coco_item(
    image_id: int, box_xyxy: np.ndarray, area: float, keypoints: list[float], labelled: int, crowd: int
) -> dict[str, Any]:
    box_xywh = np.concatenate([box_xyxy[:2], box_xyxy[2:] - box_xyxy[:2]])
    return {
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": crowd,
        "bbox": _rounded(box_xywh),
        "area": round(area, 2),
        "num_keypoints": labelled,
        "keypoints": keypoints,
    }


def mpii_people(note: ImageNote, file_name: str) -> list[dict[str, Any]]:
    """The image's people as the HRNet release's json lists them: 1-based, -1 where not labelled."""
    found = []
    for person in note.people:
        if person.role != "main":
            continue
        labelled = person.visible > 0
        joints = np.where(labelled[:, None], person.joints + 1, -1.0)
        found.append(
            {
                "joints_vis": labelled.astype(int).tolist(),
                "joints": [_rounded(joint) for joint in joints],
                "image": file_name,
                "scale": round(person.stature / 200, 6),
                "center": _rounded(person.objpos + 1),
            }
        )
    return found


def mpii_truth(notes: list[ImageNote]) -> dict[str, np.ndarray]:
    """The arrays of ``gt_valid.mat`` for N people, in the order of :func:`mpii_people`; 1-based.

    Returns:
        jnt_missing uint8 (16, N), pos_gt_src float64 (16, 2, N) (zeros where missing), headboxes_src
        float64 (2, 2, N) (corner, xy, person) and dataset_joints object (1, 16).
    """
    people = [person for note in notes for person in note.people if person.role == "main"]
    missing = np.array([person.visible == 0 for person in people], dtype=np.uint8).reshape(-1, 16)
    joints = np.array([person.joints + 1 for person in people]).reshape(-1, 16, 2).round(2)
    boxes = np.array([person.head_box + 1 for person in people]).reshape(-1, 2, 2).round(2)
    names = np.empty((1, 16), dtype=object)
    names[0] = ["rank", "rkne", "rhip", "lhip", "lkne", "lank", "pelv", "thor", "neck", "head",
                "rwri", "relb", "rsho", "lsho", "lelb", "lwri"]  # fmt: skip
    return {
        "jnt_missing": np.ascontiguousarray(missing.T),
        "pos_gt_src": np.where(missing[:, :, None] == 1, 0.0, joints).transpose(1, 2, 0),
        "headboxes_src": boxes.transpose(1, 2, 0),
        "dataset_joints": names,
    }
