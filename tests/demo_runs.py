"""Runs of tools/demo.py in this process, with a network that finds coloured dots."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import toy_predictor
from reference import ROOT
from toy_predictor import ANN, BOB, BOX_ANN, BOX_BOB, picture

import posekit
from posekit.io.video import video_writer


@pytest.fixture(autouse=True)
def known_network(monkeypatch):
    made = posekit.Predictor

    def toy(model, checkpoint, detector, device, **settings):
        model = toy_predictor.estimator()
        return made(model, detector=detector, crop=toy_predictor.CROP, device="cpu", **settings)

    monkeypatch.setattr(posekit, "Predictor", toy)


def run(monkeypatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["demo.py", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "tools" / "demo.py"), run_name="__main__")
    return int(end.value.code or 0)


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])
    return path


def video(path: Path, frames: int = 8) -> Path:
    with video_writer(path, 10.0, (96, 160)) as append:
        for i in range(frames):
            append(picture(96, 160, np.add(ANN, (i, 0)), np.subtract(BOB, (i, 0))))
    return path


def results(path: Path) -> list[dict]:
    return json.loads(path.read_text("utf-8"))


def points(record: dict) -> np.ndarray:
    return np.array(record["keypoints"]).reshape(-1, 3)[:, :2]


def boxes() -> list[str]:
    return [",".join(map(str, box)) for box in (BOX_ANN, BOX_BOB)]
