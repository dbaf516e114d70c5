"""Files of faces, small and valid, and how they are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import people, samples


def _points(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(1, 30, (count, 2)).round(2)


def _words(values: Any) -> str:
    return " ".join(str(value) for value in np.ravel(values))


def mtfl_csv() -> bytes:
    header = ",".join(["image", *(f"{a}{k}" for k in range(5) for a in "xy"), "gender,smile,glasses,pose"])
    cells = [str(value) for value in _points(5).ravel()]
    rows = [["a.png", *cells, "1", "2", "", "3"], ["a.png", "", "", *cells[2:], "2", "1", "1", "5"]]
    return "\n".join([header, *map(",".join, rows), ""]).encode()


def mtfl_list() -> bytes:
    return f"a.png {_words(_points(5).T)} 1 2 1 3\na.png {_words(_points(5).T)} 2 2 1 5\n".encode()


def pts() -> bytes:
    lines = "\n".join(map(_words, _points(68)))
    return f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n".encode()


def wflw() -> bytes:
    return f"{_words(_points(98))} 1 2 20 25 0 1 0 0 0 1 a.png\n".encode()


def cofw_values() -> dict[str, Any]:
    shapes = np.concatenate([_points(29).T.ravel(), np.zeros(29)])[None]
    picture = np.empty((1, 1), object)
    picture[0, 0] = np.zeros((4, 5), np.uint8)
    return {"phisTr": shapes, "bboxesTr": np.array([[1.0, 2, 20, 20]]), "IsTr": picture}


def aflw_values() -> dict[str, Any]:
    names = np.empty((1, 1), object)
    names[0, 0] = np.array(["a.png"])
    return {
        "data": _points(19).T.reshape(1, -1), "bbox": np.array([[1.0, 20, 2, 22]]), "ra": np.array([[1]]),
        "mask_new": np.ones((1, 19)), "nameList": names,
    }  # fmt: skip


def cofw(path: Path) -> Any:
    from posekit.datasets.faces import load_cofw, unpack_cofw

    unpack_cofw(str(path), str(path.parent / "unpacked"))
    load_cofw(str(path), str(path.parent / "unpacked"))


def reading(name: str, *more: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from posekit import datasets

        for policy in ("skip", "error"):
            table = getattr(datasets, name)(str(path), str(path.parent), *more, on_bad_record=policy)
            people.inside(table, path.parent)

    return read


def pts_file(path: Path) -> Any:
    from posekit.datasets.faces.text_files import read_pts

    read_pts(path)


def made(values: Callable[[], dict[str, Any]]) -> Callable[[], list[Any]]:
    from .arrays import Made

    return lambda: [samples.mat(values()), samples.mat(values(), True), Made(values(), samples.mat)]
