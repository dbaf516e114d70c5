"""What a network's scores are worth: fits and checks a calibration on people it was not trained on.

    python tools/calibrate.py CONFIG CHECKPOINT [--split val] [--background JSON FOLDER] [--out FOLDER]

A joint counts as right within a tenth of the person's size, sqrt(width * height) of the annotated box. Peaks
of heatmaps become probabilities by a rising curve. How good those are is measured on people that the curve
was not fitted to: each half of them by the curve of the other half. With --background (a COCO file and the
folder of its photos) windows of photos that keep clear of everybody are predicted, too: they tell what a
person's score must reach. Written are calibration.json, what posekit.inference.write_bundle takes as
calibration=, and reliability.png.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from posekit.engine.cli import add_cfg_options, require_writable, run_tool
from posekit.errors import ConfigError


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument("checkpoint", metavar="CHECKPOINT")
    parser.add_argument("--split", choices=("val", "test"), default="val", help="whose people (%(default)s)")
    parser.add_argument(
        "--background", nargs=2, metavar=("JSON", "FOLDER"), help="photos with room for nobody"
    )
    parser.add_argument(
        "--windows", type=int, default=10, metavar="N", help="of each such photo (%(default)s)"
    )
    parser.add_argument("--within", type=float, default=0.1, metavar="S", help="a right joint's reach (0.1)")
    parser.add_argument(
        "--joints", type=int, default=3, metavar="N", help="of a person's score (%(default)s)"
    )
    parser.add_argument(
        "--kept", type=float, default=0.95, metavar="P", help="share of people to keep (0.95)"
    )
    parser.add_argument("--out", default="work_dirs/calibration", metavar="FOLDER", help="(%(default)s)")
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    import numpy as np

    from posekit.engine.configs.config import load_config, parse_options
    from posekit.inference import predictions
    from posekit.inference.calibration import (
        Calibration,
        cross_fitted,
        fit_curve,
        joints_of,
        reliability,
        threshold_of,
    )
    from posekit.io.files import write_json
    from posekit.visualization.figure_style import save_figure
    from posekit.visualization.reliability import plot_reliability

    if not 0 < args.kept <= 1:
        raise ConfigError(f"--kept: expected a share above 0, at most 1, found {args.kept:g}")
    cfg = load_config(args.config, parse_options(args.cfg_options))
    people, loader = predictions.split_dataset(cfg, args.config, args.split)
    out = Path(args.out)
    require_writable(out)
    model = predictions.load_network(cfg, args.config, args.checkpoint)
    poses = predictions.predict_people(model, people, loader)
    joints = joints_of(people.table, poses, args.within)
    crossed = cross_fitted(joints)
    curves = {
        "peaks": reliability(np.clip(joints.peaks, 0, 1), joints.right),
        "probabilities": reliability(crossed, joints.right),
    }
    facts: dict[str, Any] = {
        "people": len(poses),
        "labelled joints": len(joints.peaks),
        "right": round(float(joints.right.mean()), 4),
        "of": f"{args.split} of {args.config}",
        "calibration error": {name: round(curve[3], 4) for name, curve in curves.items()},
    }
    settings: dict[str, Any] = dict(
        zip(("peaks", "right"), fit_curve(joints.peaks, joints.right), strict=True)
    )
    settings |= {"within": args.within, "joints": args.joints}
    fitted = Calibration(**settings)
    scores = fitted.of_people(fitted(np.stack([pose.scores for pose in poses])))
    if args.background:
        empty = background(args, loader["dataset"], people)
        nobody = fitted.of_people(
            fitted(np.stack([p.scores for p in predictions.predict_people(model, empty, loader)]))
        )
        threshold = threshold_of(scores, args.kept)
        settings["person_threshold"] = round(threshold, 4)
        facts["background"] = {
            "windows": len(nobody),
            "taken for a person": round(float((nobody >= threshold).mean()), 4),
            "people kept": round(float((scores >= threshold).mean()), 4),
        }
    write_json(out / "calibration.json", Calibration(**settings, facts=facts).to_card())
    notes = (
        f"{len(joints.peaks):,} joints of {len(poses):,} people; right within {args.within:g} of their size"
    )
    figure = plot_reliability(curves, f"Scores of {Path(args.config).stem}", notes)
    for path in save_figure(figure, out / "reliability", ("png",)):
        print("written:", path)
    for name, value in facts.items():
        print(f"{name}: {value}")
    print("written:", out / "calibration.json")


def background(args: argparse.Namespace, stated: Any, people: Any) -> Any:
    """Windows without anybody, cut as the people are."""
    from posekit.datasets.background import load_backgrounds
    from posekit.datasets.topdown import TopDownDataset

    source = {"type": load_backgrounds, "ann_file": args.background[0], "image_dir": args.background[1]}
    source |= {"windows": args.windows, "margin": 1.25, "skeleton": people.table.skeleton}
    return TopDownDataset(source=source, empty=True, crop=stated["crop"], skeleton=people.table.skeleton)


if __name__ == "__main__":
    run_tool(main)
