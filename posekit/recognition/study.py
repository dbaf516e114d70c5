"""A study of losses: the same training with each, scored on people whom it has not seen.

A cell is one loss with one seed. Its folder ``cells/NAME_sSEED`` has the training's own files,
``unseen.npz`` and ``pairs.npz`` with the embeddings as the network gives them (not normalised) and, last of
all, ``cell.json``: a cell that has it is finished. A training that was stopped goes on bit for bit.
:mod:`posekit.recognition.study_report` reads the folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.datasets.topdown import TopDownDataset
from posekit.errors import ConfigError, DataError, did_you_mean
from posekit.io.files import read_object, write_json
from posekit.recognition import losses
from posekit.recognition.files import write_embeddings

# What goes into the head: the losses by name and, if there are several, their weights.
_SCALED = {"scale": 30.0}
LOSSES: dict[str, dict[str, Any]] = {
    "softmax": {"losses": {"identification": {"type": losses.Softmax}}},
    "contrastive": {
        "losses": {
            "identification": {"type": losses.Softmax},
            "verification": {"type": losses.Contrastive, "margin": 1.0, "normalise": True},
        },
        "weights": {"verification": 10.0},
    },
    "triplet": {"losses": {"verification": {"type": losses.Triplet, "margin": 0.2, "mining": "semi_hard"}}},
    "normface": {"losses": {"identification": {"type": losses.NormFace, **_SCALED}}},
    # SphereFace's release lets lambda fall to 5 over many thousand steps; here within some 400.
    "sphereface": {
        "losses": {"identification": {"type": losses.ASoftmax, "margin": 4, "annealing": {"gamma": 0.5}}}
    },
    "cosface": {"losses": {"identification": {"type": losses.CosFace, **_SCALED, "margin": 0.2}}},
    "arcface": {"losses": {"identification": {"type": losses.ArcFace, **_SCALED, "margin": 0.3}}},
    # What the papers warn of: cosines without a scale; the published margin, with and without its easy form.
    "cosine": {"losses": {"identification": {"type": losses.NormFace, "scale": 1.0}}},
    "arcface-64": {"losses": {"identification": {"type": losses.ArcFace, "scale": 64.0, "margin": 0.5}}},
    "arcface-64-easy": {
        "losses": {
            "identification": {"type": losses.ArcFace, "scale": 64.0, "margin": 0.5, "easy_margin": True}
        }
    },
}
CELL, STUDY = "cell.json", "study.json"
UNSEEN, SEEN, PAIRED = "unseen.npz", "seen.npz", "pairs.npz"
_SEEN = 1000  # pictures of the training whose embeddings are kept


def stated_losses(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The losses of a command line, by name.

    Args:
        words: A key of :data:`LOSSES`, or ``NAME=JSON`` with ``losses`` and perhaps ``weights`` of an
            :class:`~posekit.recognition.heads.EmbeddingHead`.

    Raises:
        ConfigError: On an unknown name, one that comes twice, or no such JSON.
    """
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        name, stated, text = word.partition("=")
        if name in found:
            raise ConfigError(f"--losses: '{name}' comes twice")
        if not stated and name not in LOSSES:
            raise ConfigError(f"--losses: there is no '{name}'{did_you_mean(name, LOSSES)}")
        if not name.replace("-", "").replace(".", "").isalnum():
            raise ConfigError(f"--losses: expected a plain name, found '{name}'")
        try:
            found[name] = json.loads(text) if stated else LOSSES[name]
        except ValueError as error:
            raise ConfigError(f"--losses: {name}: expected JSON after '=': {error}") from error
        if not isinstance(found[name], dict) or not {"losses"} <= set(found[name]) <= {"losses", "weights"}:
            raise ConfigError(f"--losses: {name}: expected an object with 'losses' and perhaps 'weights'")
    return found


def settings_of(head: Mapping[str, Any]) -> dict[str, Any]:
    """A head's losses and weights as ``cell.json`` has them: classes by their names."""
    found: dict[str, Any] = json.loads(json.dumps(dict(head), default=lambda kind: kind.__name__))
    return found


def finished(folder: Path, stated: Mapping[str, Any]) -> bool:
    """Whether a folder holds a finished cell.

    Raises:
        DataError: If it is another loss's.
    """
    if not (folder / CELL).exists():
        return False
    found = read_object(folder / CELL)
    if found.get("head") != stated:
        raise DataError(f"{folder / CELL}: it was trained by {found.get('head')}, not by {stated}")
    return True


def kept_rows(name: str, count: int) -> np.ndarray:
    """The rows of a data set whose embeddings are kept: all, but of those trained on some, evenly."""
    most = min(_SEEN, count) if name == SEEN else count
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))


def run_cell(cfg: Any, folder: Path, head: Mapping[str, Any], seed: int, pictures: Mapping[str, Any]) -> None:
    """Trains one cell, or goes on with it, and writes its embeddings; a finished one is left as it is.

    Args:
        cfg: The study's config, as :func:`~posekit.engine.configs.config.load_config` gives it; changed.
        folder: The cell's.
        head: Losses and weights of the head, see :data:`LOSSES`.
        seed: Of the training.
        pictures: The source of the pictures that pairs are of, as a data set's ``source``.

    Raises:
        ConfigError: If the config is at fault, or its head is no ``EmbeddingHead``.
        DataError: If a data set is, or the folder holds another loss's cell.
    """
    # Imported late: recognition is read without an engine.
    from posekit.engine.runner import PoseRunner
    from posekit.registry import DATASETS

    stated = settings_of(head)
    if finished(folder, stated):
        return
    for key in ("losses", "weights"):  # in the place of the config's, not merged into it
        cfg.model["head"][key] = head.get(key)
    cfg.work_dir, cfg.resume = str(folder), True
    test = dict(cfg.test_dataloader["dataset"])
    train = {**test, "source": cfg.train_dataloader["dataset"]["source"]}
    sets = {UNSEEN: test, SEEN: train, PAIRED: {**test, "source": dict(pictures)}}
    runner = PoseRunner.from_cfg(cfg, seed)
    runner.train()
    model: Any = runner.model
    model.head.normalise = False
    for name, settings in sets.items():
        dataset = DATASETS.build({"skeleton": cfg.skeleton, **settings})
        write_embeddings(folder / name, *embed_rows(model, dataset, kept_rows(name, len(dataset))))
    write_json(folder / CELL, {"head": stated, "seed": seed, "epochs": runner.epoch})


def embed_rows(model: Any, dataset: TopDownDataset, rows: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The names and the embeddings (N, D) of rows of a data set, some at a time."""
    from posekit.recognition.embedding import embed

    parts = []
    for start in range(0, len(rows), 64):
        images = np.stack([np.asarray(dataset[int(row)].image) for row in rows[start : start + 64]])
        parts.append(embed(model, images.transpose(0, 2, 3, 1)))
    return [dataset.table.image_name(int(dataset.table.image_index[row])) for row in rows], np.concatenate(
        parts
    )


def begin(out: Path, config: str, pairs: str, options: Mapping[str, Any]) -> None:
    """Writes ``study.json``, or checks that the folder's is of the same study.

    Raises:
        ConfigError: If the folder holds cells of another config, other pairs or other options.
    """
    stated = {"config": str(config), "pairs": str(pairs), "options": dict(options)}
    path = out / STUDY
    if not path.exists():
        write_json(path, stated)
    elif (found := read_object(path)) != json.loads(json.dumps(stated)):
        raise ConfigError(f"{path}: the folder's cells are of {found}, not of {stated}; choose another --out")
