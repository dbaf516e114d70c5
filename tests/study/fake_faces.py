"""Writes the folder of a sweep of faces that nobody ran: scores are NME, lower is better."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from posekit.metrics.errors import PersonErrors, write_errors
from posekit.metrics.nme import nme_per_face, nme_scores
from posekit.skeletons import MTFL5
from posekit.study.cells import parse_cell

SCORE = "NME/inter_ocular"
FACES = 80
LABELS = {"yaw": ["frontal", "turned", "far"]}


def make_errors(seed: int, noise: float, far: float = 1.0) -> PersonErrors:
    """The same faces always; predictions ``noise`` pixels off, ``far`` times as much for those far turned."""
    fixed = np.random.default_rng(0)
    truth = fixed.uniform(0, 100, (FACES, MTFL5.num_keypoints, 2))
    valid = fixed.random((FACES, MTFL5.num_keypoints)) < 0.8
    valid[:, 0] = True
    yaw = np.arange(FACES) % 4  # 3: of no group
    scale = noise * fixed.uniform(0.5, 2.0, (FACES, 1, 1)) * np.where(yaw == 2, far, 1.0)[:, None, None]
    groups = np.stack([yaw == value for value in range(3)], axis=1).astype(np.int64)
    return PersonErrors(
        image_id=np.arange(FACES),
        person_id=np.arange(FACES) + 1,
        predicted=truth + scale * np.random.default_rng(seed + 1).normal(size=truth.shape),
        truth=truth,
        valid=valid,
        norm=fixed.uniform(40, 60, FACES),
        threshold=0.08,
        joints=MTFL5.keypoints,
        weights=np.ones(MTFL5.num_keypoints),
        score=SCORE,
        groups=groups,
        group_names=tuple(f"yaw={name}" for name in LABELS["yaw"]),
    )


def scores_of(errors: PersonErrors) -> dict[str, float]:
    nme = nme_per_face(errors.predicted, errors.truth, errors.norm, errors.valid)
    groups = np.asarray(errors.groups)
    yaw = np.where(groups.any(axis=1), groups.argmax(axis=1), -1)
    return nme_scores(nme, "inter_ocular", groups={"yaw": yaw}, labels=LABELS)


def write_face_cell(out: Path, name: str, noise: float, far: float = 1.0) -> None:
    cell, folder = parse_cell(name), out / "cells" / name
    (folder / "test").mkdir(parents=True)
    errors = make_errors(cell.seed + int(100 * noise), noise, far)
    write_errors(folder / "test" / "errors.npz", errors)
    scores = scores_of(errors)
    stated = {
        **cell.describe(), "state": "finished", "message": "", "train_seconds": 100.0, "test_seconds": 5.0,
        "val": {"epoch": 3, "metric": SCORE, "rule": "less", "score": scores[SCORE], "scores": scores},
        "test": scores, "foreground": None, "diagnosis": None,
    }  # fmt: skip
    (folder / "cell.json").write_text(json.dumps(stated))
    (folder / "run.json").write_text(json.dumps({"device": "CPU", "scores": {SCORE: "less"}}))
    log = folder / "20260101_000000" / "vis_data"
    log.mkdir(parents=True)
    lines = [{SCORE: scores[SCORE] * (4 - epoch), "step": epoch} for epoch in (1, 2, 3)]
    (log / "scalars.json").write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_face_plan(out: Path, names: list[str], base: str, variants: dict[str, dict[str, object]]) -> None:
    losses = {name.partition("_")[0]: {"type": "L2Loss"} for name in names}
    plan = {
        "config": "configs/faces.py", "options": [], "fingerprint": "ab" * 32, "files": {}, "cells": names,
        "max_epochs": 3, "score": SCORE, "base": base, "variants": variants, "shared": "model = 1",
        "losses": {name: loss for name, loss in losses.items() if name not in variants},
    }  # fmt: skip
    (out / "plan.json").write_text(json.dumps(plan))
