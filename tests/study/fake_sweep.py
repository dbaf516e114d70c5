"""Writes the folder of a sweep that nobody ran, by the layout that tools/gamma_sweep.py leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from posekit.metrics.errors import PersonErrors, write_errors
from posekit.metrics.pck import pck, person_sizes, weights_of_mean
from posekit.skeletons import LSP14
from posekit.study.cells import parse_cell

SCORE = "PCK@0.2/mean12"
PEOPLE = 60


def make_errors(seed: int, noise: float, people: int = PEOPLE) -> PersonErrors:
    """The same people always; predictions ``noise`` pixels off, a seed's own way."""
    fixed = np.random.default_rng(0)
    joints = LSP14.num_keypoints
    truth = fixed.uniform(0, 200, (people, joints, 2))
    valid = fixed.random((people, joints)) < 0.9
    valid[:, [2, 3, 8, 9]] = True  # hips and shoulders, for the torso's size
    boxes = np.tile([0.0, 0.0, 200.0, 200.0], (people, 1))
    sizes = person_sizes("torso", truth, valid, LSP14.keypoints, boxes, np.full(people, np.nan))
    hard = noise * fixed.uniform(0.3, 2.0, (people, 1, 1))
    predicted = truth + hard * np.random.default_rng(seed + 1).normal(size=truth.shape)
    index = LSP14.keypoints.index
    return PersonErrors(
        image_id=np.arange(people) // 2,  # two people an image
        person_id=np.arange(people) + 100,
        predicted=predicted,
        truth=truth,
        valid=valid,
        norm=sizes,
        threshold=0.2,
        joints=LSP14.keypoints,
        flip_pairs=[(index(a), index(b)) for a, b in LSP14.flip_pairs],
        weights=weights_of_mean(LSP14.keypoints)[1],
        score=SCORE,
    )


def metrics_of(errors: PersonErrors) -> dict[str, float]:
    args = errors.predicted, errors.truth, errors.valid, errors.norm, errors.joints, errors.threshold
    return pck(*args)


def write_cell(out: Path, name: str, noise: float = 20.0, errors: bool = True, **changes: Any) -> None:
    """A finished cell, its curves and its test."""
    cell, folder = parse_cell(name), out / "cells" / name
    (folder / "test").mkdir(parents=True)
    people = make_errors(cell.seed + int(10 * noise), noise)
    scores = metrics_of(people)
    if errors:
        write_errors(folder / "test" / "errors.npz", people)
    val = scores[SCORE] + 1
    stated = {
        **cell.describe(), "state": "finished", "message": "", "train_seconds": 100.0 + cell.seed,
        "test_seconds": 5.0, "val": {"epoch": 3, "metric": SCORE, "score": val, "scores": {SCORE: val}},
        "test": scores, "foreground": {"loss_share": 0.25, "peak_width": 3.5}, "diagnosis": None, **changes,
    }  # fmt: skip
    (folder / "cell.json").write_text(json.dumps(stated))
    run = {"command": f"tools/train.py c.py --seed {cell.seed}", "device": "CPU", "versions": {"torch": "2"}}
    (folder / "run.json").write_text(json.dumps(run))
    _write_scalars(folder / "20260101_000000" / "vis_data", val)


def write_failed(out: Path, name: str, message: str) -> None:
    folder = out / "cells" / name
    folder.mkdir(parents=True)
    stated = {**parse_cell(name).describe(), "state": "failed", "message": message, "val": {}, "test": {}}
    (folder / "cell.json").write_text(json.dumps(stated))


def write_plan(out: Path, names: list[str], **changes: Any) -> None:
    plan = {
        "config": "configs/c.py", "options": ["train_cfg.max_epochs=3"], "fingerprint": "ab" * 32,
        "files": {"joints.mat": "cd" * 32}, "cells": names, "max_epochs": 3, "score": SCORE,
        "notes": ["a note of the plan"], "people": {"kind": "same", "sentence": "it is said of the people"},
        "started": "2026-01-01T00:00:00+0000", "shared": "model = 1", **changes,
    }  # fmt: skip
    out.mkdir(exist_ok=True)
    (out / "plan.json").write_text(json.dumps(plan))


def _write_scalars(folder: Path, last: float) -> None:
    folder.mkdir(parents=True)
    lines: list[dict[str, Any]] = []
    for epoch in (1, 2, 3):
        for step in (1, 2):
            own = {"lr": 0.1, "loss": 1 / epoch, "acc_pose": 0.2 * epoch, "epoch": epoch, "iter": step}
            lines.append({**own, "step": 2 * (epoch - 1) + step})
        lines.append({SCORE: last * epoch / 3, "loss": 0.9 / epoch, "step": epoch})
    (folder / "scalars.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
