"""Which loss makes the best embedding? The same training with each, scored on people whom it has not seen.

    python tools/recognition_study.py CONFIG --out DIR
    python tools/recognition_study.py --out DIR --report-only

CONFIG is a recognition config whose test data set has identities that its training lacks, such as
configs/recognition/study_celeba_64x64.py. Cells, one loss and one seed each, are trained one after another,
every loss with the first seed first. Stopped or killed, the same command goes on: finished cells stay, an
interrupted training goes on from its newest checkpoint. In DIR it leaves ``cells/``, ``study.json`` and the
report: ``scores.json``, ``scores.md``, ``norms.png``, ``angles.png``. --pairs is a csv of image_a, image_b,
same, fold; --points one of image, x0, y0 .. x4, y4 for its pictures, which lie in ``images`` beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from posekit.engine.cli import add_cfg_options, require_writable, run_tool
from posekit.errors import ConfigError

DEFAULT = ("softmax", "contrastive", "triplet", "normface", "sphereface", "cosface", "arcface")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", help="a recognition config")
    parser.add_argument("--out", required=True, metavar="DIR", help="output folder")
    parser.add_argument("--pairs", default="data/lfw/pairs.csv", metavar="CSV", help="(%(default)s)")
    parser.add_argument("--points", default="data/lfw/points.csv", metavar="CSV", help="(%(default)s)")
    parser.add_argument("--images", metavar="DIR", help="their pictures (images, beside --points)")
    parser.add_argument(
        "--losses", nargs="+", default=list(DEFAULT), metavar="NAME[=JSON]",
        help=f"default: {' '.join(DEFAULT)}; also cosine, arcface-64, arcface-64-easy, or your own: "
        """mine='{"losses": {"identification": {"type": "CosFace", "margin": 0.1}}}'""",
    )  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1], metavar="S", help="default: 0 1")
    parser.add_argument(
        "--frozen", type=int, metavar="N",
        help="only the network's last N blocks (0: none) and the head learn, on maps computed once",
    )  # fmt: skip
    parser.add_argument("--report-only", action="store_true", help="only make the report anew")
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    out = Path(args.out)
    if not args.report_only:
        if args.config is None:
            raise ConfigError("state CONFIG; or --report-only for what is there")
        require_writable(out)
        run_cells(args, out)
    # Imported late, so that --help answers at once.
    from posekit.recognition.study_report import write_report

    for path in write_report(out):
        print("written:", path)


def run_cells(args: argparse.Namespace, out: Path) -> None:
    from posekit.engine.configs.config import load_config, parse_options
    from posekit.recognition.identities import load_identities
    from posekit.recognition.study import begin, run_cell, stated_losses

    heads = stated_losses(args.losses)
    options = parse_options(args.cfg_options)
    images = Path(args.images or Path(args.points).parent / "images")
    pictures = {"type": load_identities, "ann_file": args.points, "image_dir": str(images), "data_root": ""}
    cfg = load_config(args.config, options)  # refused before anything is written
    begin(out, args.config, args.pairs, options)
    frozen = None
    if args.frozen is not None:
        from posekit.engine.configs.config import prepare_config
        from posekit.recognition.study_frozen import FrozenStudy

        cfg.work_dir = str(out)
        frozen = FrozenStudy(prepare_config(cfg, args.config), out, pictures, args.frozen)
    for seed in args.seeds:
        for name, head in heads.items():
            print(f"cell {name}, seed {seed}", flush=True)
            cell = out / "cells" / f"{name}_s{seed}"
            if frozen is not None:
                frozen.run(cell, head, seed)
            else:
                run_cell(load_config(args.config, options), cell, head, seed, pictures)


if __name__ == "__main__":
    run_tool(main)
