"""Drawn "faces" of a few identities: a colour and a pattern each, five points, turned and moved."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from posekit.geometry import apply_warp, invert_warp, warp_matrix
from posekit.recognition.alignment import template
from posekit.recognition.identities import COORDINATES

SIDE = 48


def write_identities(folder: Path, identities: int = 8, each: int = 6, seed: int = 0) -> Path:
    """Writes ``labels.csv`` and ``images/``; identities are "id0", "id1", ..."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    looks = [rng.integers(0, 2, (4, 4, 3)) * 200 for _ in range(identities)]
    rows = []
    for number in range(identities * each):
        face = cv2.resize(looks[number % identities].astype(np.uint8), (32, 32), interpolation=0)
        light = rng.uniform(-50, 50, 3)  # which hides the colours from a network that has not learnt
        face = np.clip(face + light + rng.normal(0, 20, face.shape), 0, 255).astype(np.uint8)
        centre, size = rng.uniform(14, 18, 2), rng.uniform(38, 46)
        warp = invert_warp(warp_matrix(centre, (32, 32), (32, 32), rng.uniform(-30, 30)))
        warp = np.array([[size / 48, 0, 8], [0, size / 48, 8]])[:, :2] @ warp + [[0, 0, 8], [0, 0, 8]]
        picture = cv2.warpAffine(face, warp, (SIDE, SIDE))
        cv2.imwrite(str(folder / "images" / f"{number}.png"), picture)
        points = apply_warp(template((32, 32)), warp)
        rows.append([f"{number}.png", f"id{number % identities}", *np.round(points.ravel(), 2)])
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "identity", *COORDINATES], *rows])
    return folder


def write_pairs(folder: Path, identities: int = 8, each: int = 6) -> Path:
    """Writes ``pairs.csv``: in each of three folds neighbouring pictures, the same and different ones."""
    rows = []
    for fold in (1, 2, 3):
        for first in range(identities):
            same = first + identities * (fold if fold < each else 1)
            other = (first + fold) % identities + identities
            rows += [[fold, f"{first}.png", f"{same}.png", 1], [fold, f"{first}.png", f"{other}.png", 0]]
    with (folder / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["fold", "image_a", "image_b", "same"], *rows])
    return folder / "pairs.csv"
