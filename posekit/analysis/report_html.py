"""An error analysis as one page, ``report.html.jinja``: no scripts, no network, pictures inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from posekit.analysis.analyse import summary
from posekit.analysis.figures import WAYS, words
from posekit.analysis.pictures import Picture
from posekit.metrics.keypoint_kinds import ERRORS, KINDS
from posekit.metrics.oks import STAT_NAMES
from posekit.study.pages import Grid, embedded, render

BETTER, WORSE = "better", "worse"
MARKS = {BETTER: "\u25b2", WORSE: "\u25bc"}
FRACTIONS = ("AP", "AR", "mean OKS")
PICTURES = {
    "oks": "The least OKS of all with a pose",
    "miss": "Misses",
    "swap": "Swaps",
    "inversion": "Inversions",
    "jitter": "Jitter",
    "missed": "Missed people, the largest first",
    "false_pose": "Poses of nobody, the surest first",
}


def page(
    found: Mapping[str, Any],
    figures: Mapping[str, str],
    pictures: Sequence[Mapping[str, Sequence[Picture]]],
    command: str,
) -> str:
    """The page.

    Args:
        found: What ``analysis.json`` holds.
        figures: Name -> svg text.
        pictures: Of each file, by what is wrong.
        command: What repeats the analysis.
    """
    results, compared = found["results"], found["comparison"]
    files = [
        {
            "name": one["name"],
            "number": number,
            "joints": _joints(one),
            "impact": _impact(one),
            "groups": {WAYS[way]: _groups(rows) for way, rows in one["groups"].items()},
            "pictures": [
                (title, [(picture.words, embedded(picture.jpeg)) for picture in own[kind]])
                for kind, title in PICTURES.items()
                if kind in own
            ],
        }
        for number, (one, own) in enumerate(zip(results, pictures, strict=True), 1)
    ]
    names = " against ".join(one["name"] for one in results)
    return render(
        Path(__file__).parent / "report.html.jinja",
        title=f"Error analysis of {names}",
        found=found,
        files=files,
        several=len(files) > 1,
        sentences=[*([comparison_sentence(compared)] if compared else []), *_summaries(results)],
        scores=_scores(results),
        curves=_curves(results),
        background=_background(results),
        compared=_comparison(compared, "good/", False) if compared else None,
        compared_joints=_comparison(compared, "good/", True) if compared else None,
        pictures=lambda name: embedded(figures[name]),
        command=command,
    )


def _summaries(results: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{one['name']}: {summary(one)}" if len(results) > 1 else summary(one) for one in results]


def comparison_sentence(compared: Mapping[str, Any]) -> str:
    """What the paired intervals say of AP, in one sentence."""
    ap = next(row for row in compared["measures"] if row["measure"] == "AP")
    first, second = compared["names"]
    if ap["low"] is None or ap["difference"] is None:
        return f"How far {first} and {second} are apart cannot be told."
    says = "is better than" if ap["low"] > 0 else "is worse than" if ap["high"] < 0 else ""
    verdict = f"{first} {says} {second}" if says else f"{first} and {second} cannot be told apart"
    method = compared["method"]
    return (
        f"{verdict} on these images: {_signed(ap['difference'])} AP, {100 * method['confidence']:g} % "
        f"interval {_signed(ap['low'])} to {_signed(ap['high'])} over {method['images']} images. It holds of "
        "these two files; another training of either may differ by more."
    )


def _scores(results: Sequence[Mapping[str, Any]]) -> Grid:
    more = [name for name in results[0]["scores"] if name not in STAT_NAMES]
    rows = [
        ("", [name, *(_fraction(one["scores"][name]) for one in results)]) for name in (*STAT_NAMES, *more)
    ]
    rows.append(("", ["mean OKS", *(_fraction(one["people"]["mean_oks"]) for one in results)]))
    for name, text in (
        ("to_find", "people to find"),
        ("with_a_pose", "of them with a pose"),
        ("poses", "poses"),
    ):
        rows.append(("", [text, *(f"{one['people'][name]:,}" for one in results)]))
    return (
        ["score", *(one["name"] for one in results)],
        rows,
        "COCO's scores, as tools/evaluate.py coco has them; mean OKS: 0 without a pose.",
    )


def _impact(one: Mapping[str, Any]) -> Grid:
    found, base = one["impact"], one["impact"]["AP"]
    rows: list[tuple[str, list[Any]]] = [("", ["as it is", None, None, None, _fraction(base), None])]
    steps = found["cumulative"][1:]
    for row in steps:
        step = row["step"]
        alone, exact = found["alone"][step], found["exactly"].get(step)
        rows.append(
            (
                "",
                [
                    *(words(step), _fraction(alone), _signed(alone - base), _fraction(exact)),
                    *(_fraction(row["AP"]), _signed(row["gain"])),
                ],
            )
        )
    every = found["exactly"]["keypoints"]
    rows.append(("total", ["all keypoints", None, None, _fraction(every), None, None]))
    note = (
        "AP without the errors of a kind alone; the same, with the keypoints at their very places; and "
        "without it and all above it."
    )
    header = ["without", "alone: AP", "gain", "exact: AP", "in turn: AP", "gain"]
    return header, rows, note


def _joints(one: Mapping[str, Any]) -> Grid:
    rows = [
        ("", [name.replace("_", " "), row["labelled"], *(_percent(row[kind]) for kind in KINDS)])
        for name, row in one["keypoints"]["joints"].items()
    ]
    total = one["keypoints"]["overall"]
    rows.append(("total", ["all", total["labelled"], *(_percent(total[kind]) for kind in KINDS)]))
    return ["joint", "labelled", *(f"{kind}, %" for kind in KINDS)], rows


def _groups(groups: Sequence[Mapping[str, Any]]) -> Grid:
    rows = []
    for row in groups:
        numbers = [row["people"], row["without_a_pose"], _fraction(row["AR"]), _fraction(row["mean_oks"])]
        kind = "" if row["people"] else "odd"
        rows.append((kind, [row["group"], *numbers, *(_percent(row[kind]) for kind in KINDS)]))
    return (
        ["group", "people", "no pose", "AR", "mean OKS", *(f"{kind}, %" for kind in KINDS)],
        rows,
    )


def _curves(results: Sequence[Mapping[str, Any]]) -> Grid:
    rows = []
    for name, curve in results[0]["curves"].items():
        areas = [_fraction(one["curves"][name]["AUC"]) for one in results]
        rows.append(("", [name, curve["people"], curve["x"][-1], *areas]))
    return ["curve", "people", "up to", *(f"AUC, {one['name']}" for one in results)], rows


def _background(results: Sequence[Mapping[str, Any]]) -> Grid:
    rows = []
    for t, level in enumerate(results[0]["background"]["thresholds"]):
        if t % 5 == 0 or t == 9:
            own = [one["background"]["thresholds"][t] for one in results]
            numbers = [number for row in own for number in (row["false_poses"], row["missed_people"])]
            rows.append(("", [f"OKS {level['oks']:.2f}", *numbers]))
    header = ["at"]
    for one in results:
        name = f", {one['name']}" if len(results) > 1 else ""
        header += [f"false poses{name}", f"missed people{name}"]
    several = [
        f"{one['name']}: {one['scoring']['people_with_several_poses']} people have several poses near them; "
        f"for {one['scoring']['another_than_the_surest_is_best']} another than the surest is the best."
        for one in results
    ]
    return header, rows, " ".join(several)


def _comparison(compared: Mapping[str, Any], prefix: str, joints: bool) -> Grid:
    """The measures, or those of the joints alone."""
    rows = []
    for row in compared["measures"]:
        name = row["measure"]
        if name.startswith(prefix) != joints:
            continue
        form = _fraction if name in FRACTIONS else _percent
        signed = _signed if name in FRACTIONS else _signed_percent
        better = -1 if name in ERRORS else 1
        outcome = ""
        # More jitter may be fewer misses, or fewer good ones.
        if name != "jitter" and row["low"] is not None and (row["low"] > 0 or row["high"] < 0):
            outcome = BETTER if better * row["difference"] > 0 else WORSE
        text = f"{signed(row['difference'])} [{signed(row['low'])}, {signed(row['high'])}]"
        cell = (f"{text} {MARKS[outcome]}", outcome) if outcome else text
        name = name.removeprefix(prefix).replace("_", " ")
        name = name if name in FRACTIONS else f"{name}, %"
        rows.append(("", [name, form(row["first"]), form(row["second"]), cell, _p(row["p_value"])]))
    first, second = compared["names"]
    method = compared["method"]
    note = (
        f"{first} less {second}; {100 * method['confidence']:g} % interval, paired bootstrap over "
        f"{method['images']} images ({method['resamples']} draws). {MARKS[BETTER]} better, {MARKS[WORSE]} "
        "worse where the interval leaves 0 out. Of this many measures some will by chance alone."
    )
    return ["joint good" if joints else "measure", first, second, "difference", "p"], rows, note


def _p(value: float | None) -> str | None:
    return None if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _fraction(value: float | None) -> str | None:
    return None if value is None or value == -1 else f"{value:.3f}"


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}".replace("-", "\u2212") if abs(value) >= 5e-4 else "0"


def _signed_percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}".replace("-", "\u2212") if abs(value) >= 0.05 else "0"
