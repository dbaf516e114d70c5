"""What a study of losses found: scores with intervals, the norms and angles of embeddings, two figures.

Verification of the pairs (LFW's protocol) is resampled over pairs; that of people whom the training has not
seen over identities, with all their pictures. A loss's score is the mean over its seeds, and differences from
the first loss are of the same resample. Seeds are drawn anew in each resample, too: with two or three of them
that says little, so the scores of each are stated beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError
from posekit.io.files import read_object, write_json, write_text
from posekit.recognition.files import Pairs, read_embeddings, read_pairs, read_table
from posekit.recognition.identification import unit_vectors
from posekit.recognition.study import CELL, PAIRED, SEEN, STUDY, UNSEEN
from posekit.recognition.verification import cosine_scores, fold_accuracy

BINS = 1000  # of cosines, -1..1
RATE = 0.01
RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class CellFacts:
    """One cell.

    Attributes:
        loss: Its name.
        seed: Of the training.
        right: float64 (P,): which pairs were told rightly, at their fold's threshold.
        same: float64 (I, BINS): cosines of pairs of the same unseen identity, counted by identity.
        different: float64 (I, I, BINS): of two identities, for i < j.
        norms: Lengths of the embeddings of unseen and of seen pictures.
    """

    loss: str
    seed: int
    right: np.ndarray
    same: np.ndarray
    different: np.ndarray
    norms: Mapping[str, np.ndarray]


def write_report(out: Path) -> list[Path]:
    """Writes ``scores.json``, ``scores.md``, ``norms.png`` and ``angles.png``; returns their paths.

    Raises:
        DataError: If no cell is finished, or its files are at fault.
    """
    cells = read_cells(out)
    scores = score_cells(cells)
    write_json(out / "scores.json", scores)
    write_text(out / "scores.md", table(scores))
    from posekit.recognition.study_figures import angles_figure, norms_figure

    figures = {"norms.png": norms_figure(cells), "angles.png": angles_figure(cells)}
    for name, figure in figures.items():
        figure.savefig(out / name, dpi=80)
    return [out / name for name in ("scores.json", "scores.md", *figures)]


def read_cells(out: Path) -> list[CellFacts]:
    """The finished cells of a folder, in the order of their losses' names and seeds."""
    study = read_object(out / STUDY)
    pairs, labels = read_pairs(study["pairs"]), identities_of(study)
    folders = sorted(path.parent for path in (out / "cells").glob(f"*/{CELL}"))
    if not folders:
        raise DataError(f"{out}: expected at least one finished cell, found none")
    return [_read_cell(folder, pairs, labels) for folder in folders]


def identities_of(study: Mapping[str, Any]) -> dict[str, str]:
    """The identity of every picture of the study's data set, by name."""
    from posekit.engine.configs.config import load_config

    source = load_config(study["config"], study["options"]).test_dataloader["dataset"]["source"]
    path = Path(source.get("data_root") or "") / source["ann_file"]
    labels = read_table(path, ("image", "identity"))
    return dict(zip(labels["image"], labels["identity"], strict=True))


def _read_cell(folder: Path, pairs: Pairs, labels: Mapping[str, str]) -> CellFacts:
    facts = read_object(folder / CELL)
    images, embeddings = read_embeddings(folder / PAIRED)
    first, second = pairs.rows(images, str(folder / PAIRED)).T
    scores = cosine_scores(embeddings[first], embeddings[second])
    if pairs.folds is None:
        raise DataError(f"{pairs.path}: expected pairs with a column 'fold', found none")
    right = rightly_told(scores, pairs.same, pairs.folds)
    images, unseen = read_embeddings(folder / UNSEEN)
    _, identity = np.unique([labels[image] for image in images], return_inverse=True)
    same, different = cosine_counts(unseen, identity)
    norms = {UNSEEN: unseen, SEEN: read_embeddings(folder / SEEN)[1]}
    lengths = {name: np.linalg.norm(vectors, axis=1) for name, vectors in norms.items()}
    return CellFacts(folder.name.rpartition("_s")[0], int(facts["seed"]), right, same, different, lengths)


def rightly_told(scores: np.ndarray, same: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Which pairs are told rightly at the threshold that is best on the other folds: float64 (P,)."""
    found = fold_accuracy(scores, same, folds)
    threshold = found.thresholds[np.searchsorted(found.folds, folds)]
    return ((scores >= threshold) == same).astype(np.float64)


def cosine_counts(embeddings: np.ndarray, identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Histograms of the cosines of all pairs, by identity (I, BINS) and by two identities (I, I, BINS)."""
    units = unit_vectors(embeddings, "unseen people")
    count = int(identity.max()) + 1
    first, second = np.triu_indices(len(units), 1)
    cosine = np.clip((units @ units.T)[first, second], -1, 1)
    place = np.minimum(((cosine + 1) / 2 * BINS).astype(np.int64), BINS - 1)
    low, high = (
        np.minimum(identity[first], identity[second]),
        np.maximum(identity[first], identity[second]),
    )
    flat = np.bincount((low * count + high) * BINS + place, minlength=count * count * BINS)
    both = flat.reshape(count, count, BINS).astype(np.float64)
    same = both[np.arange(count), np.arange(count)].copy()
    both[np.arange(count), np.arange(count)] = 0
    return same, both


def curve_scores(same: np.ndarray, different: np.ndarray) -> tuple[float, float]:
    """AUC, a tie of a bin counting 1/2, and TAR at FAR <= :data:`RATE` of two histograms (BINS,).

    NaN where one of them is empty, as in a resample that has one identity alone.
    """
    if not same.sum() or not different.sum():
        return float("nan"), float("nan")
    tar = np.concatenate([[0], np.cumsum(same[::-1])]) / same.sum()
    far = np.concatenate([[0], np.cumsum(different[::-1])]) / different.sum()
    auc = float(np.sum(np.diff(far) * (tar[1:] + tar[:-1]) / 2))
    return auc, float(tar[np.searchsorted(far, RATE, side="right") - 1])


def score_cells(cells: list[CellFacts], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Scores by loss: of each seed, their mean, its interval, and the difference from the first loss.

    The first loss is ``softmax`` if there is one.
    """
    losses = sorted({cell.loss for cell in cells}, key=lambda name: (name != "softmax", name))
    rng = np.random.default_rng(seed)
    pairs, people = len(cells[0].right), len(cells[0].same)
    drawn = {name: [] for name in losses}  # type: dict[str, list[list[float]]]
    for _ in range(resamples):
        of_pairs = rng.multinomial(pairs, np.full(pairs, 1 / pairs))
        of_people = rng.multinomial(people, np.full(people, 1 / people)).astype(np.float64)
        for name in losses:
            own = [cell for cell in cells if cell.loss == name]
            chosen = [own[k] for k in rng.integers(len(own), size=len(own))]
            drawn[name].append(np.mean([_scores(cell, of_pairs, of_people) for cell in chosen], axis=0))
    scores = {name: _of_loss([cell for cell in cells if cell.loss == name]) for name in losses}
    for name in losses:
        for column, score in enumerate(("accuracy", "AUC", "TAR")):
            values = np.array(drawn[name])[:, column]
            base = np.array(drawn[losses[0]])[:, column]
            scores[name][score]["interval"] = np.nanpercentile(values, [2.5, 97.5]).tolist()
            scores[name][score]["difference"] = scores[name][score]["mean"] - scores[losses[0]][score]["mean"]
            scores[name][score]["difference_interval"] = np.nanpercentile(values - base, [2.5, 97.5]).tolist()
    return {"losses": scores, "baseline": losses[0], "pairs": pairs, "identities": people, "rate": RATE}


def _scores(cell: CellFacts, of_pairs: np.ndarray, of_people: np.ndarray) -> list[float]:
    both = np.einsum("i,j,ijb->b", of_people, of_people, cell.different, optimize=True)
    auc, tar = curve_scores(of_people @ cell.same, both)
    return [float(of_pairs @ cell.right / of_pairs.sum()), auc, tar]


def _of_loss(cells: list[CellFacts]) -> dict[str, Any]:
    everybody = np.ones(len(cells[0].right)), np.ones(len(cells[0].same))
    each = np.array([_scores(cell, *everybody) for cell in cells])
    found: dict[str, Any] = {"seeds": [cell.seed for cell in cells]}
    for column, score in enumerate(("accuracy", "AUC", "TAR")):
        found[score] = {"mean": float(each[:, column].mean()), "each": each[:, column].tolist()}
    same, different = (sum(part) for part in zip(*(mean_angles(cell) for cell in cells), strict=True))
    found["angles"] = {"within": same / len(cells), "between": different / len(cells)}
    lengths = [cell.norms[name] for name in (SEEN, UNSEEN) for cell in cells]
    half = len(cells)
    found["norms"] = {
        name: {
            "mean": float(np.mean([row.mean() for row in rows])),
            "variation": float(np.mean([row.std() / row.mean() for row in rows])),
        }
        for name, rows in (("seen", lengths[:half]), ("unseen", lengths[half:]))
    }
    return found


def mean_angles(cell: CellFacts) -> tuple[float, float]:
    """The mean angle within an identity and between two, degrees."""
    angles = np.degrees(np.arccos((np.arange(BINS) + 0.5) / BINS * 2 - 1))
    same, different = cell.same.sum(axis=0), cell.different.sum(axis=(0, 1))
    return float(angles @ same / same.sum()), float(angles @ different / different.sum())


def table(scores: Mapping[str, Any]) -> str:
    """The scores as a Markdown table, percent; differences from the baseline with 95 % intervals."""
    head = f"| loss | seeds | pairs: accuracy | unseen: AUC | TAR at FAR {RATE:g} |"
    lines = [f"{head} AUC - {scores['baseline']}'s |", "|---|---|---|---|---|---|"]
    for name, one in scores["losses"].items():
        cells = [
            "{:.1f} ({:.1f} to {:.1f})".format(*(100 * np.array([one[s]["mean"], *one[s]["interval"]])))
            for s in ("accuracy", "AUC", "TAR")
        ]
        low, high = one["AUC"]["difference_interval"]
        change = f"{100 * one['AUC']['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        lines.append(f"| {name} | {len(one['seeds'])} | {' | '.join(cells)} | {change} |")
    return "\n".join(lines) + "\n"
