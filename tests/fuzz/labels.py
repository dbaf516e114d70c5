"""How labels of other tools are read and proposed as a data set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import samples

YOLO = b"0 0.5 0.5 0.4 0.5 0.3 0.4 2 0.5 0.5 1 0 0 0\n0 0.25 0.5 0.4 0.5 0.3 0.4 2 0.5 0.5 1 0.1 0.6 2\n"
CVAT = (
    b'<?xml version="1.0" encoding="utf-8"?>\n<annotations><meta><task><labels><label><name>fox</name><svg>'
    b"&lt;circle data-node-id=&quot;1&quot; data-label-name=&quot;head&quot;/&gt;</svg></label><label>"
    b"<name>head</name><parent>fox</parent></label></labels></task></meta>"
    b'<image id="0" name="a.png" width="60" height="40"><skeleton label="fox"><points label="head" '
    b'points="9.5,8.5" occluded="1"/><points label="tail" points="30.5,20.5"/></skeleton>'
    b'<box label="fox" group_id="1" xtl="1" ytl="2" xbr="30" ybr="35"/><points label="head" group_id="1" '
    b'points="4,5"/><points label="tail" group_id="1" points="14,25"/></image></annotations>'
)
DEEPLABCUT = (
    b"scorer,me,me,me,me\nindividuals,one,one,one,one\nbodyparts,head,head,tail,tail\ncoords,x,y,x,y\n"
    b"a.png,1.5,2,20,30\nsub/b.png,,,4,5.5\n"
)


def labelme() -> dict[str, Any]:
    points = [
        {"label": name, "points": [[5.5 + 9 * k, 6.5 + 7 * k]], "group_id": 1, "shape_type": "point",
         "flags": {"occluded": k == 1}}
        for k, name in enumerate(samples.NAMES)
    ]  # fmt: skip
    box = {"label": "fox", "points": [[1, 2], [50, 30]], "group_id": 1, "shape_type": "rectangle"}
    return {"shapes": [box, *points], "imagePath": "a.png", "imageHeight": 40, "imageWidth": 60}


def write_pictures(folder: Path) -> None:
    from posekit.io.images import cv2

    (folder / "sub").mkdir()
    for name, (height, width) in (("a.png", (40, 60)), ("sub/b.png", (50, 30))):
        assert cv2.imwrite(str(folder / name), np.zeros((height, width, 3), np.uint8))


def write_yolo(folder: Path) -> None:
    """The pictures and what else there is around the one label file."""
    write_pictures(folder)
    (folder / "data.yaml").write_text(
        json.dumps({"train": "a.png.lst", "val": "a.png.lst", "kpt_shape": [3, 3], "names": ["fox"]})
    )
    (folder / "a.png.lst").write_text("a.png\n")


def propose(path: Path) -> None:
    _propose(path, path.parent)


def _propose(source: Path, folder: Path) -> None:
    from posekit.datasets.importers import read_labels
    from posekit.datasets.importers.pictures import PictureFolder
    from posekit.datasets.own.dataset import own_dataset
    from posekit.errors import ConfigError, DataError

    labels = read_labels(source)
    try:
        data = own_dataset(labels, PictureFolder(folder), source)
    except ConfigError as error:  # several categories, which a user chooses from
        raise DataError(f"{source}: {error}") from error
    json.dumps(data.contents, allow_nan=False)


def of_yolo(name: str) -> Callable[[Path], Any]:
    """Reads the labels of a picture, which stand beside it."""

    def read(path: Path) -> None:
        (path.parent / name).write_bytes(path.read_bytes())
        try:
            _propose(path.parent / "data.yaml", path.parent)
        except Exception as error:
            raise type(error)(str(error).replace(name, path.name)) from error

    return read
