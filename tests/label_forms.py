"""The same two pictures with three labelled foxes, in every form that posekit imports."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from toy_people import picture, write_picture

NAMES = ("nose", "left_ear", "right_ear", "tail")
SIZES_HW = {"a.png": (40, 60), "b.png": (50, 30)}
#: Picture, box (x, y, width, height), points (x, y, v).
FOXES = (
    ("a.png", (2.0, 3.0, 20.0, 30.0), ((5.25, 6.5, 2), (3.0, 4.0, 1), (9.0, 4.0, 2), (20.125, 30.0, 2))),
    ("a.png", (30.0, 5.0, 25.0, 30.0), ((35.5, 10.0, 2), (0, 0, 0), (40.0, 8.0, 2), (52.0, 33.0, 1))),
    ("b.png", (4.0, 10.0, 22.0, 35.0), ((10.0, 12.0, 2), (8.0, 11.0, 2), (14.75, 11.0, 2), (0, 0, 0))),
)
LIMBS = ((0, 1), (0, 2), (0, 3))


def write_pictures(folder: Path) -> Path:
    for number, (name, size) in enumerate(SIZES_HW.items()):
        write_picture(folder / name, picture(*size, number))
    return folder


def coco(folder: Path) -> Path:
    write_pictures(folder / "images")
    ids = {name: number for number, name in enumerate(SIZES_HW)}
    content = {
        "images": [
            {"id": ids[name], "file_name": name, "height": h, "width": w} for name, (h, w) in SIZES_HW.items()
        ],
        "categories": [
            {"id": 7, "name": "fox", "keypoints": list(NAMES), "skeleton": [[a + 1, b + 1] for a, b in LIMBS]}
        ],
        "annotations": [
            {"id": k, "image_id": ids[name], "category_id": 7, "bbox": list(box), "area": 300.0,
             "keypoints": [value for point in points for value in point]}
            for k, (name, box, points) in enumerate(FOXES)
        ],
    }  # fmt: skip
    return write(folder / "foxes.json", content)


def yolo(folder: Path, dims: int = 3) -> Path:
    write_pictures(folder / "images" / "train")
    for name, (height, width) in SIZES_HW.items():
        lines = []
        for _, (x, y, w, h), points in (fox for fox in FOXES if fox[0] == name):
            values = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
            for px, py, v in points:
                values += [px / width, py / height, v][:dims]
            lines.append(" ".join(["0", *(repr(value) for value in values)]))
        write_text(folder / f"labels/train/{Path(name).stem}.txt", "\n".join(lines) + "\n")
    return write_text(
        folder / "data.yaml",
        f"train: images/train\nval: images/train\nkpt_shape: [4, {dims}]\nflip_idx: [0, 2, 1, 3]\n"
        f"names:\n  0: fox\nkpt_names:\n  0: {list(NAMES)}\n",
    )


def labelme(folder: Path) -> Path:
    write_pictures(folder)
    for name, (height, width) in SIZES_HW.items():
        shapes = []
        for group, (_, (x, y, w, h), points) in enumerate(fox for fox in FOXES if fox[0] == name):
            corners = [[x + 0.5, y + 0.5], [x + w + 0.5, y + h + 0.5]]
            shapes.append({"label": "fox", "points": corners, "group_id": group, "shape_type": "rectangle"})
            for keypoint, (px, py, v) in zip(NAMES, points, strict=True):
                shape = {"label": keypoint, "points": [[px + 0.5, py + 0.5]], "group_id": group}
                if v:
                    shapes.append({**shape, "shape_type": "point", "flags": {"occluded": v == 1}})
        content = {"shapes": shapes, "imagePath": name, "imageHeight": height, "imageWidth": width}
        write((folder / name).with_suffix(".json"), content)
    return folder


def cvat(folder: Path) -> Path:
    """Skeletons, with the task's labels."""
    write_pictures(folder)
    labels = "<label><name>fox</name><type>skeleton</type><svg>{}</svg></label>".format(
        "".join(f'&lt;circle data-node-id="{k + 1}" data-label-name="{n}"/&gt;' for k, n in enumerate(NAMES))
        + "".join(f'&lt;line data-node-from="{a + 1}" data-node-to="{b + 1}"/&gt;' for a, b in LIMBS)
    )
    labels += "".join(
        f"<label><name>{n}</name><type>points</type><parent>fox</parent></label>" for n in NAMES
    )
    images = ""
    for number, (name, (height, width)) in enumerate(SIZES_HW.items()):
        shapes = "".join(_cvat_skeleton(points) for own, _, points in FOXES if own == name)
        images += f'<image id="{number}" name="{name}" width="{width}" height="{height}">{shapes}</image>'
    text = f"<annotations><version>1.1</version><meta><task><labels>{labels}</labels></task></meta>{images}"
    return write_text(folder / "annotations.xml", text + "</annotations>")


def _cvat_skeleton(points) -> str:
    parts = "".join(
        f'<points label="{name}" outside="{v < 1:d}" occluded="{v == 1:d}" points="{x + 0.5},{y + 0.5}"/>'
        for name, (x, y, v) in reversed(list(zip(NAMES, points, strict=True)))
    )
    return f'<skeleton label="fox" z_order="0">{parts}</skeleton>'


def cvat_points(folder: Path) -> Path:
    """Points and boxes of a group each."""
    write_pictures(folder)
    images = ""
    for number, (name, (height, width)) in enumerate(SIZES_HW.items()):
        shapes = ""
        for group, (_, (x, y, w, h), points) in enumerate(fox for fox in FOXES if fox[0] == name):
            corners = f'xtl="{x + 0.5}" ytl="{y + 0.5}" xbr="{x + w + 0.5}" ybr="{y + h + 0.5}"'
            shapes += f'<box label="fox" group_id="{group}" {corners}/>' + "".join(
                f'<points label="{n}" group_id="{group}" occluded="{2 - v}" points="{px + 0.5},{py + 0.5}"/>'
                for n, (px, py, v) in zip(NAMES, points, strict=True)
                if v
            )
        images += f'<image id="{number}" name="{name}" width="{width}" height="{height}">{shapes}</image>'
    return write_text(folder / "annotations.xml", f"<annotations>{images}</annotations>")


def deeplabcut(folder: Path) -> Path:
    """A project with several animals."""
    frames = folder / "labeled-data" / "film"
    write_pictures(frames)
    animals = [f"fox{k}" for k in (1, 2) for _ in NAMES for _ in "xy"]
    rows = [
        ["scorer", "", "", *["me"] * 16],
        ["individuals", "", "", *animals],
        ["bodyparts", "", "", *[n for n in NAMES for _ in "xy"] * 2],
        ["coords", "", "", *["x", "y"] * 8],
    ]
    for name in SIZES_HW:
        found = [points for own, _, points in FOXES if own == name]
        cells = [str(c) if v else "" for points in found for x, y, v in points for c in (x, y)]
        rows.append(["labeled-data", "film", name, *cells, *[""] * (16 - len(cells))])
    with (frames / "CollectedData_me.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    limbs = "".join(f"- [{NAMES[a]}, {NAMES[b]}]\n" for a, b in LIMBS)
    write_text(folder / "config.yaml", f"bodyparts: MULTI!\nskeleton:\n{limbs}")
    return folder


WRITERS = {
    "coco": coco,
    "yolo": yolo,
    "labelme": labelme,
    "cvat": cvat,
    "cvat_points": cvat_points,
    "deeplabcut": deeplabcut,
}


def points_of(fox, hidden_known: bool = True) -> np.ndarray:
    """float64 (4, 3); v is 2 for all labelled points where a form knows no hidden ones."""
    points = np.array(fox[2], np.float64)
    return points if hidden_known else np.c_[points[:, :2], 2 * (points[:, 2] > 0)]


def write(path: Path, content: object) -> Path:
    return write_text(path, json.dumps(content))


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path
