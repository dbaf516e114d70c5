"""MPII's people in each of the forms its annotation is passed around in."""

from __future__ import annotations

import json

import numpy as np
import scipy.io

# Three people, 1-based, as the files number them. Joint 0 is hidden, joint 5 not labelled.
JOINTS = np.arange(32.0).reshape(16, 2) * 3 + 11


HIDDEN, UNLABELLED = 0, 5


def joints_of(person):
    joints = JOINTS + 10 * person
    joints[UNLABELLED] = 0
    return joints


def pytorch_pose(person, validation, image, **changes):
    joints = np.concatenate([joints_of(person), np.ones((16, 1))], axis=1)
    joints[[HIDDEN, UNLABELLED], 2] = 0
    return {
        "dataset": "MPI", "isValidation": float(validation), "img_paths": image, "img_width": 640.0,
        "img_height": 480.0, "objpos": [100.0 + person, 90.0], "joint_self": joints.tolist(),
        "scale_provided": 0.5, "annolist_index": 1.0, "people_index": 1.0, **changes,
    }  # fmt: skip


def official_person(person, **changes):
    """An annorect with the file's gaps: flags as numbers, texts, empty or absent."""
    points = []
    for joint in range(16):
        if joint == UNLABELLED:
            continue
        x, y = joints_of(person)[joint]
        point = {"x": x, "y": y, "id": joint}
        flag = ["0", "1", 1, np.zeros((0, 0)), None][0 if joint == HIDDEN else 1 + joint % 4]
        if person == 2 and joint == HIDDEN:
            flag = 0
        point["is_visible"] = np.zeros((0, 0)) if flag is None else flag
        points.append(point)
    fields = {
        "x1": 10.0 + person, "y1": 20.0, "x2": 40.0 + person, "y2": 60.0,
        "scale": 0.5, "objpos": {"x": 100.0 + person, "y": 90.0}, "annopoints": {"point": structs(points)},
        **changes,
    }  # fmt: skip
    return {key: value for key, value in fields.items() if value is not None}


def structs(records):
    """A MATLAB struct array: every record gets every field, empty where it has none."""
    names = sorted({name for record in records for name in record})
    array = np.empty((1, len(records)), dtype=[(name, object) for name in names])
    for number, record in enumerate(records):
        array[0, number] = tuple(record.get(name, np.zeros((0, 0))) for name in names)
    return array


EMPTY = np.zeros((0, 0))


def write_official(path, images, train):
    """``images``: (name, annorects) each."""
    annolist = structs(
        [
            {"image": {"name": name}, "annorect": structs(people) if len(people) else EMPTY}
            for name, people in images
        ]
    )
    scipy.io.savemat(path, {"RELEASE": {"annolist": annolist, "img_train": np.array([train])}})
    return str(path)


def write(path, content):
    path.write_text(json.dumps(content), "utf-8")
    return str(path)


def make_pose_json(tmp_path):
    return write(
        tmp_path / "annotations.json",
        [
            pytorch_pose(0, 0, "000000007.jpg"),
            pytorch_pose(2, 1, "000000009.jpg"),
            pytorch_pose(1, 0, "000000007.jpg"),
        ],
    )


def write_heads(path, people, **changes):
    joints = np.stack([joints_of(person) for person in people])
    missing = np.zeros((16, len(people)), np.uint8)
    missing[UNLABELLED] = 1
    boxes = np.stack([np.array([[10.0 + p, 20], [40 + p, 60]]) for p in people], axis=-1)
    content = {"headboxes_src": boxes, "jnt_missing": missing, "pos_gt_src": joints.transpose(1, 2, 0)}
    scipy.io.savemat(path, {**content, **changes})
    return str(path)
