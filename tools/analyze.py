"""Error analysis of keypoint results: what goes wrong, for whom, and what it costs.

    python tools/analyze.py RESULTS.json GT.json --photos DIR                 what goes wrong
    python tools/analyze.py RESULTS.json GT.json OTHER.json --names new old   the same, and against another

RESULTS are in COCO's form, anybody's, GT is COCO's json; other keypoints than COCO's 17 need sigmas (in the
file, of the skeleton, or --sigmas). Says of each keypoint whether it is good, jitter, an inversion, a swap or
a miss (Ronchi & Perona, ICCV 2017; :mod:`posekit.metrics.keypoint_kinds`), what COCO's AP would be without
each kind of error, without errors of scores, false poses and missed people, and how it is with small, hidden
or crowded people; PCK, PCKh, OKS and CED as curves. Of two files the differences have paired intervals over
images.

Writes ``report.html``, one page with figures and, with --photos, the worst cases drawn, and ``analysis.json``
with all numbers. Exit status 2: the input is at fault.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works from a checkout, installed or not

from posekit.engine.cli import named_runs, require_writable, run_tool

PAIRINGS = ("auto", "id", "oks")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", metavar="RESULTS", help="keypoint results in COCO's form")
    parser.add_argument("gt", metavar="GT", help="the annotations, COCO's json")
    parser.add_argument("other", metavar="OTHER_RESULTS", nargs="?", help="results to compare with")
    parser.add_argument("--photos", metavar="DIR", help="folder of the photos: draws the worst cases")
    parser.add_argument("--names", nargs="+", metavar="TEXT", help="what to call the files")
    parser.add_argument(
        "--skeleton", metavar="NAME", help="for flip pairs and limbs (by the keypoints' names)"
    )
    parser.add_argument("--config", help="a config file, whose skeleton is taken")
    parser.add_argument(
        "--sigmas", nargs="+", help="a skeleton's name, K numbers (blanks or commas between), or one for all"
    )
    parser.add_argument(
        "--area", choices=("file", "box"), default="file",
        help="the area in OKS: the annotations' own, or 0.53 x their box (file)",
    )  # fmt: skip
    parser.add_argument(
        "--category", nargs="+", help="names or ids of the categories to score (all that have keypoints)"
    )
    parser.add_argument(
        "--max-per-image", type=int, default=20, metavar="N",
        help="the best N poses of an image (and category) count (20, as COCO has it)",
    )  # fmt: skip
    parser.add_argument("--images", metavar="IDS.json", help="score these image ids only, a json list")
    parser.add_argument(
        "--on-bad-record", choices=("error", "skip"), default="error",
        help="what a faulty annotation, or a result of an unknown image, does (error)",
    )  # fmt: skip
    parser.add_argument(
        "--pairing", choices=PAIRINGS, default="auto",
        help="whose a pose is: by annotation_id, as COCO pairs, or the first if all files have them (auto)",
    )  # fmt: skip
    parser.add_argument(
        "--resamples", type=int, default=1000, metavar="N", help="of the paired bootstrap (1000)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of its draws (0)")
    parser.add_argument("--out", default="work_dirs/analysis", metavar="DIR", help="folder (%(default)s)")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from posekit.analysis.analyse import summary
    from posekit.analysis.report import Request, analyse_files
    from posekit.errors import ConfigError

    if args.skeleton and args.config:
        raise ConfigError("--skeleton and --config: expected one of them, found both")
    for name, least in (("max_per_image", 1), ("resamples", 2), ("seed", 0)):
        if getattr(args, name) < least:
            option = name.replace("_", "-")
            raise ConfigError(f"--{option}: expected at least {least}, found {getattr(args, name)}")
    named = named_runs([args.results, *([args.other] if args.other else [])], args.names)
    require_writable(Path(args.out))
    request = Request(
        results=named,
        gt=args.gt,
        out=Path(args.out),
        skeleton=skeleton_of_config(args.config) if args.config else args.skeleton,
        command=shlex.join(["python", "tools/analyze.py", *sys.argv[1:]]),
        **{
            name: getattr(args, name)
            for name in ("photos", "sigmas", "area", "category", "max_per_image", "images", "on_bad_record")
        },
        **{name: getattr(args, name) for name in ("pairing", "resamples", "seed")},
    )
    found = analyse_files(request)
    for one in found["results"]:
        print(f"{one['name']}: {summary(one)}")
    if found["comparison"]:
        from posekit.analysis.report_html import comparison_sentence

        print(comparison_sentence(found["comparison"]))
    for note in found["notes"]:
        print(f"note: {note}")
    print(f"written to {args.out}: report.html, analysis.json")


def skeleton_of_config(path: str) -> Any:
    from posekit.engine.configs.config import load_config

    return load_config(path).skeleton


if __name__ == "__main__":
    run_tool(main)
