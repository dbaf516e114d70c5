"""Writes a sweep's report: ``sweep.csv``, ``sweep.json``, ``figures/`` and ``report.html``.

Of a sweep with variants also ``variants.json``, by which its command states them again.

``python -m posekit.study.report OUT`` makes it anew from ``OUT/cells`` at any time; tools/gamma_sweep.py does
so after every cell. Each file is written whole or not at all.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit.engine.cli import run_tool
from posekit.errors import ConfigError, PosekitError
from posekit.io.files import write_json, write_text
from posekit.study.analysis import ONE_RUN_EACH, analyse, interval_of
from posekit.study.cells import MSE
from posekit.study.folder import label_of
from posekit.study.record import FINISHED
from posekit.study.report_html import CAPTIONS, page
from posekit.study.statistics import CONFIDENCE, RESAMPLES
from posekit.study.table import Table, read_table, write_csv
from posekit.study.variants import VARIANTS, as_stated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from posekit.study.sweep_figures import CellRecords


def write_report(out: str | Path, resamples: int = RESAMPLES) -> Path:
    """Writes the report of a sweep as far as it has got.

    Args:
        out: The sweep's folder.
        resamples: Of the bootstrap over people.

    Returns:
        The path of ``report.html``.

    Raises:
        DataError: If ``out`` is no sweep's folder.
        ConfigError: On fewer than two resamples.
        OSError: If a file cannot be written; those that were there stay.
    """
    if resamples < 2:
        raise ConfigError(f"--resamples: expected a whole number of at least 2, found {resamples}")
    out = Path(out)
    table = read_table(out)
    found = analyse(table, resamples)
    pictures = _write_figures(out / "figures", sweep_pictures(table, found))
    write_csv(out / "sweep.csv", found["rows"])
    write_json(out / "sweep.json", found)
    if table.variants:
        write_json(out / VARIANTS, as_stated(table.variants))
    path = out / "report.html"
    write_text(path, page(found, table, pictures))
    return path


# --- figures ---------------------------------------------------------------------------------------------


def sweep_pictures(table: Table, found: dict[str, Any]) -> dict[str, Figure]:
    """The figures by file name; why there are none becomes a note of ``found``."""
    from posekit.study.face_figures import face_figures
    from posekit.study.sweep_figures import read_sweep, sweep_figures

    figures: dict[str, Figure] = {}
    faults: list[str] = []
    try:
        cells = read_sweep(table.out, faults)
        found["notes"] += [f"without its curves: {fault}" for fault in faults]
    except PosekitError as error:
        found["notes"].append(f"no curves: {error}")
        cells = []
    if cells and table.score:
        figures.update(sweep_figures(cells, table.score))
        figures.update(_pair(cells, table.score))
    figures.update(face_figures(table))
    figures.update(_joint_figures(found["comparisons"], bool(found["people"].get("lower"))))
    return figures


def _pair(cells: Sequence[CellRecords], score: str) -> dict[str, Figure]:
    """Training and validation of plain MSE and of gamma 1, or of the setting nearest to it."""
    from posekit.study.study_figures import train_val_pair
    from posekit.visualization.records import score_label, train_and_val

    gammas = {records.cell.setting: records.cell.gamma for records in cells}
    others = {setting: gamma for setting, gamma in gammas.items() if setting != MSE}
    if others.keys() == gammas.keys() or not others:
        return {}
    chosen = min(others, key=lambda setting: math.inf if (g := others[setting]) is None else abs(g - 1))
    pair: dict[str, dict[str, Any]] = {}
    for setting in (MSE, chosen):
        own = [records for records in cells if records.cell.setting == setting]
        # One that is still in training would cut the others' mean off where it stands.
        for records in [records for records in own if records.state == FINISHED] or own:
            kinds = pair.setdefault(label_of(records.cell), {})
            for kind, curves in train_and_val(records.curves, score).items():
                kinds.setdefault(kind, []).extend(curves)
    return {"training_and_validation": train_val_pair(pair, score=score_label(score))}


def _joint_figures(comparisons: Sequence[Mapping[str, Any]], lower: bool) -> dict[str, Figure]:
    from posekit.study.study_figures import per_joint_difference

    figures = {}
    for compared in comparisons:
        rows = [*compared["joints"], compared["headline"]]
        numbers = ([row[key] for row in rows] for key in ("difference", "low", "high"))
        decided = compared["includes_seeds"]
        base = "MSE" if compared["against"] == MSE else compared["against_words"]
        marks = "full marks: blue better, orange worse; rings: 0 lies within" if decided else ONE_RUN_EACH
        figures[f"per_joint_{compared['setting']}"] = per_joint_difference(
            [row["joint"] for row in rows],
            *numbers,
            title=f"{compared['label']} minus {base}, per {'group' if lower else 'joint'}",
            notes=f"{100 * CONFIDENCE:g} % intervals over {interval_of(compared)}; {marks}",
            decided=decided,
            lower=lower,
        )
    return figures


def _write_figures(folder: Path, figures: Mapping[str, Figure]) -> dict[str, str]:
    """Writes them as png and svg, and removes an earlier report's that there are no more; the svg by name."""
    from posekit.study.study_figures import save_figure

    for path in folder.glob("*"):
        own = path.stem.startswith(tuple(CAPTIONS)) and path.suffix in (".png", ".svg")
        if own and path.stem not in figures:
            path.unlink()
    for name, figure in figures.items():
        save_figure(figure, folder / name)
    return {name: (folder / f"{name}.svg").read_text("utf-8") for name in figures}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Makes the report of a gamma sweep anew.")
    parser.add_argument("out", metavar="OUT", help="the sweep's folder")
    parser.add_argument("--resamples", type=int, default=RESAMPLES, help="of the bootstrap")
    args = parser.parse_args()
    print(write_report(args.out, args.resamples))


if __name__ == "__main__":
    run_tool(main)
