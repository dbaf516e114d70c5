"""The walk: which files of posekit one image enters on its way from a COCO file to AP, by a call trace."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import cv2
import numpy as np

import posekit
from posekit.datasets import COCO17

PACKAGE = Path(posekit.__file__).parent
PAGE = PACKAGE / "docs" / "walk.md"


def walk(folder: Path) -> dict[str, list[str]]:
    """The functions entered, by file of the package, while the walk of ``posekit/docs/walk.md`` is run.

    Args:
        folder: For one photo and its annotation.
    """
    write_photo(folder)
    network, steps = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"folder": str(folder)}
    exec(network, names)
    return entered(lambda: exec(steps, names))


def write_photo(folder: Path) -> None:
    """A picture with one annotated person."""
    rng = np.random.default_rng(0)
    cv2.imwrite(str(folder / "photo.jpg"), rng.integers(0, 255, (240, 320, 3), dtype=np.uint8))
    points = np.column_stack([rng.integers(60, 180, (17, 2)), np.full(17, 2)])
    person: dict[str, object] = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0}
    person |= {"area": 2e4, "num_keypoints": 17, "bbox": [50, 50, 150, 150]}
    person["keypoints"] = points.ravel().tolist()
    content = {
        "images": [{"id": 1, "file_name": "photo.jpg", "width": 320, "height": 240}],
        "annotations": [person],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.keypoints)}],
    }
    (folder / "people.json").write_text(json.dumps(content))


def entered(work: Callable[[], Any]) -> dict[str, list[str]]:
    """The functions of the package that ``work`` calls, by file, in the order of their first calls."""
    found: dict[str, dict[str, None]] = {}

    def note(frame: FrameType, event: str, arg: Any) -> None:
        path = Path(frame.f_code.co_filename)
        name = frame.f_code.co_name
        # What any import asks of posekit's finders is not the image's way.
        if (
            event == "call"
            and path.is_relative_to(PACKAGE)
            and not name.startswith("<")
            and name != "find_spec"
        ):
            found.setdefault(str(path.relative_to(PACKAGE)), {})[name] = None

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return {path: list(names) for path, names in found.items()}


def tell(found: dict[str, list[str]]) -> str:
    """The walk as lines: each file entered with its length and functions, and the sums."""
    lengths = {path: len((PACKAGE / path).read_text("utf-8").splitlines()) for path in found}
    rows = [f"{lengths[path]:>5}  {path:<28}  {', '.join(names)}" for path, names in found.items()]
    return "\n".join([*rows, f"{sum(lengths.values()):>5}  lines in {len(found)} files"])
