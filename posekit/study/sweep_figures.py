"""All figures of a sweep's folder, by file name; ``sweep_records.py`` reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from posekit.study.study_figures import accuracy_vs_epoch, foreground_curves, score_vs_gamma
from posekit.study.sweep_records import (
    CellRecords,
    Group,
    by_gamma,
    by_setting,
    final_scores,
    foreground_of,
    groups_of,
    val_curves,
)
from posekit.visualization.figure_style import Label
from posekit.visualization.records import score_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sweep_figures(cells: Sequence[CellRecords], score: str, title: str = "") -> dict[str, Figure]:
    """Accuracy over epochs, score against gamma, and the accounting of foreground where it was logged.

    Args:
        cells: See :func:`~posekit.study.sweep_records.read_sweep`.
        score: Its full name.
        title: Above each figure, in place of its own.

    Returns:
        File name without suffix -> figure: ``accuracy_vs_epoch`` (with several forms or deltas one for each
        that has at least two gammas, and ``accuracy_vs_epoch_all``), ``score_vs_gamma_test``,
        ``score_vs_gamma_val``, ``foreground``.
    """
    groups, settings = groups_of(cells), by_setting(cells)
    several = len(groups) > 1 or any(records.cell.stated for records in cells)
    figures: dict[str, Figure] = {}
    for group in groups if groups else [None]:
        own = by_gamma(cells, group)
        if not several:
            figures["accuracy_vs_epoch"] = _over_epochs(own, score, title or f"Accuracy, {_words(group)}")
        elif len(own.keys() - {0.0}) > 1 and group is not None:
            name = f"accuracy_vs_epoch_{group[0]}_d{group[1]:g}"
            figures[name] = _over_epochs(own, score, title or f"Accuracy, {_words(group)}")
    if several:
        name = "accuracy_vs_epoch_all"
        figures[name] = _over_epochs(settings, score, title or "Accuracy of every loss")
    figures.update(_against_gamma(cells, groups, score, title))
    accounts = {label: foreground_of(own) for label, own in settings.items()}
    if any(curves for account in accounts.values() for curves in account.values()):
        figures["foreground"] = foreground_curves(accounts, title=title)
    return figures


def _words(group: Group | None) -> str:
    return "MSE" if group is None else f"{group[0]}, δ = {group[1]:g}"


def _over_epochs(kinds: Mapping[Label, Sequence[CellRecords]], score: str, title: str) -> Figure:
    curves = {label: val_curves(own, score) for label, own in kinds.items()}
    drawn = {label: seeds for label, seeds in curves.items() if seeds}
    return accuracy_vs_epoch(drawn, score=f"validation {score_label(score)}", title=title)


def _against_gamma(
    cells: Sequence[CellRecords], groups: Sequence[Group], score: str, title: str
) -> dict[str, Figure]:
    """Score against gamma on the test people, and on the validation people, of finished cells."""
    figures = {}
    for name, people in (("test", "test people"), ("val", "validation people, best epoch")):
        reference = final_scores(by_gamma(cells, None).get(0.0, []), score, name == "test")
        series: dict[str, dict[float, list[float]]] = {}
        for group in groups:
            kinds = {float(g): own for g, own in by_gamma(cells, group).items() if g != 0}
            scores = {gamma: final_scores(own, score, name == "test") for gamma, own in kinds.items()}
            series[_words(group)] = {gamma: values for gamma, values in scores.items() if values}
        series = {words: points for words, points in series.items() if points}
        if reference or series:
            figures[f"score_vs_gamma_{name}"] = score_vs_gamma(
                series, reference=reference, score=score_label(score),
                title=title or f"Score against γ: {people}",
            )  # fmt: skip
    return figures
