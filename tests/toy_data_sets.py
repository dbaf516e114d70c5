"""The data sets that configs read, laid out as they are published, with three people in each part.

Every person stands upright: its body is 400 pixels high, its box, where the files state one, 150 x 400. A
detector's boxes lie 5 pixels lower. Each part's pictures lie in that part's folder alone, and no two parts
share an image id, so that a config that reads another part's file or folder is found out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import mpii_cases
import numpy as np

from posekit.skeletons import get_skeleton

HEIGHT, WIDTH = 400, 150
SIZE_HW = (800, 600)
BOX_XYWH = (200, 150, WIDTH, HEIGHT)
TOP = BOX_XYWH[1]
LOWER = 5  # detections
PEOPLE = 3  # in each part, an image each
#: LSP-extended is one file, of which 500 are kept for the test and 500 for validation.
LSP_PEOPLE = 1000 + PEOPLE

_HORSE = ("nose", "withers", "left_front_hoof", "right_front_hoof", "left_back_hoof", "right_back_hoof")
#: The detections that lie beside COCO: the HRNet release's, and what tools/detect.py makes of train2017.
RELEASED = "COCO_val2017_detections_AP_H_56_person.json"
OWN = "COCO_train2017_detections_fasterrcnn.json"


def write_all(folder: Path) -> dict[str, Path]:
    """Writes every data set; returns their roots by the last part of the configs' ``data_root``."""
    kinds = {
        "coco": _coco,
        "mpii": _mpii,
        "lsp_extended": _lsp,
        "crowdpose": _crowdpose,
        "posekit_people": write_rendered,
        "custom": _custom,
    }
    for name, write in kinds.items():
        write(folder / name)
    return {name: folder / name for name in kinds}


def write_everyday(folder: Path) -> Path:
    """The sets that configs/everyday mixes; the teacher sees everybody's labels, and a face above them."""
    _coco(folder / "coco")
    _coco(folder / "tiny_coco")
    _lsp(folder / "lsp_extended")
    _people(folder / "teacher_photos", "train.json", "images", 1, "coco17")
    people = json.loads((folder / "lsp_extended/train.json").read_text())["annotations"]
    names = get_skeleton("lsp14").keypoints
    taught = {}
    for person in people:
        points = dict(zip(names, np.reshape(person["keypoints"], (-1, 3))[:, :2].tolist(), strict=True))
        face = [BOX_XYWH[0] + 10.0, BOX_XYWH[1] + 10.0]
        taught[person["id"]] = [[*points.get(name, face), 0.8] for name in get_skeleton("coco17").keypoints]
    _json(folder / "lsp_extended/teacher17.json", taught)
    photos = json.loads((folder / "teacher_photos/train.json").read_text())
    for person in photos["annotations"]:
        person["teacher_scores"] = [1.05, 0.6, *[0.9] * 15]
    _json(folder / "teacher_photos/train.json", photos)
    _people(folder / "nobody", "nobody.json", "images", 1, "coco17")
    nobody = json.loads((folder / "nobody/nobody.json").read_text())
    _json(folder / "nobody/nobody.json", {**nobody, "annotations": []})
    (folder / "cutouts").mkdir()
    half = np.zeros((90, 40, 4), np.uint8)
    half[:, 10:30] = 255
    cv2.imwrite(str(folder / "cutouts" / "somebody.png"), half)
    return folder


def _coco(root: Path) -> None:
    for part, first in (("train", 1), ("val", 101)):
        _people(root, f"annotations/person_keypoints_{part}2017.json", f"{part}2017", first, "coco17")
    for name, first in ((OWN, 1), (RELEASED, 101)):
        _detections(root, f"person_detection_results/{name}", first)


def _crowdpose(root: Path) -> None:
    for part, first in (("trainval", 1), ("test", 101)):
        _people(root, f"annotations/mmpose_crowdpose_{part}.json", "images", first, "crowdpose14")
    _detections(root, "annotations/det_for_crowd_test_0.1_0.5.json", 101)


def _custom(root: Path) -> None:
    for part, first in (("train", 1), ("val", 101)):
        _people(root, f"{part}.json", "images", first, _HORSE)


def _lsp(root: Path) -> None:
    _people(root, "train.json", "images", 1, "lsp14", LSP_PEOPLE)


def _mpii(root: Path) -> None:
    for part, first in (("train", 1), ("valid", 101)):
        _mpii_people(root, f"annot/{part}.json", "images", first)
    mpii_cases.write_heads(root / "annot/gt_valid.mat", range(PEOPLE))


def write_rendered(root: Path) -> None:
    for part, ours, first in (("train", "train", 1), ("valid", "val", 101)):
        _mpii_people(root, f"annotations/mpii_{part}.json", f"images/{ours}", first)
        _people(root, f"annotations/person_keypoints_{ours}.json", f"images/{ours}", first, "mpii16")
    mpii_cases.write_heads(root / "annotations/gt_valid.mat", range(PEOPLE))


def _people(
    root: Path, ann_file: str, image_dir: str, first: int, skeleton: Any, people: int = PEOPLE
) -> None:
    """A COCO-form file and its pictures; of many people all share one picture."""
    names = get_skeleton(skeleton).keypoints if isinstance(skeleton, str) else skeleton
    ids = range(first, first + people)
    files = {i: f"{i if people == PEOPLE else first:012d}.jpg" for i in ids}
    for file in set(files.values()):
        _picture(root / image_dir / file)
    height, width = SIZE_HW
    x, y, _, _ = BOX_XYWH
    keypoints = [v for k in range(len(names)) for v in (x + 5 * k, y + 20 * k, 2)]
    person = {"category_id": 1, "iscrowd": 0, "area": WIDTH * HEIGHT / 2, "bbox": list(BOX_XYWH),
              "num_keypoints": len(names), "keypoints": keypoints}  # fmt: skip
    _json(
        root / ann_file,
        {
            "images": [
                {"id": i, "file_name": files[i], "height": height, "width": width, "crowdIndex": 0.5}
                for i in ids
            ],
            "categories": [{"id": 1, "name": "person", "keypoints": list(names)}],
            "annotations": [{**person, "id": 1000 + i, "image_id": i} for i in ids],
        },
    )


def _detections(root: Path, name: str, first: int) -> None:
    x, y, width, height = BOX_XYWH
    box = [x, y + LOWER, width, height]
    unlikely = [10, 600, 50, 60]
    found = [
        {"image_id": i, "category_id": 1, "bbox": b, "score": score}
        for i in range(first, first + PEOPLE)
        for b, score in ((box, 0.9), (unlikely, 0.01))
    ]
    _json(root / name, found)


def _mpii_people(root: Path, ann_file: str, image_dir: str, first: int) -> None:
    """An HRNet-form json, whose people are those of ``mpii_cases``, and its pictures."""
    people = []
    for person in range(PEOPLE):
        image = f"{first + person:09d}.jpg"
        _picture(root / image_dir / image)
        labelled = np.arange(16) != mpii_cases.UNLABELLED
        people.append(
            {"image": image, "center": [275.0, 321.0], "scale": HEIGHT / 200,
             "joints": mpii_cases.joints_of(person).tolist(), "joints_vis": labelled.astype(int).tolist()}
        )  # fmt: skip
    _json(root / ann_file, people)


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.zeros((*SIZE_HW, 3), np.uint8))


def _json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
