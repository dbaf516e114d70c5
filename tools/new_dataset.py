"""Your own keypoints: ``python tools/new_dataset.py LABELS --images DIR`` writes a data set that trains.

LABELS is a COCO-form json (also Label Studio's or CVAT's export), Ultralytics' data.yaml (YOLO-pose),
LabelMe's json files or their folder, CVAT's annotations.xml ("CVAT for images 1.1"), or DeepLabCut's
CollectedData_*.csv or project folder. Into ``--out`` go ``annotations.json`` (COCO's form), its parts
``train.json`` and ``val.json``, and ``NAME.py``, a config that starts from the weights that come with
posekit, fits a laptop and runs from any folder; labels of yours that have one of these names are left alone,
and it says so. What was found and decided is printed, with the commands to run next.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from posekit.engine.cli import run_tool


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("labels", metavar="LABELS", help="the labels: a file or a folder")
    add("--images", metavar="DIR", help="the pictures, also in sub-folders (default: where the labels are)")
    add("--out", metavar="DIR", help="the folder to write (default: NAME)")
    add("--name", help="of data set and config (default: category and number of keypoints, e.g. horse22)")
    add("--category", metavar="NAME", help="whose keypoints, where several categories have some")
    add("--val-share", type=float, default=0.2, metavar="P", help="part of the pictures to validate on (0.2)")
    add("--seed", type=int, default=0, metavar="N", help="of the split and the training (0)")
    add(
        "--input-size",
        type=int,
        nargs="+",
        default=[160],
        metavar="N",
        help="side, or height and width (160)",
    )
    add("--epochs", type=int, metavar="N", help="of the training (default: by the number of objects)")
    flips = parser.add_mutually_exclusive_group()
    flips.add_argument(
        "--flip-pairs",
        nargs="+",
        metavar="A,B",
        help="what changes places in a mirrored picture; 'none': each point is its own mirror image",
    )
    flips.add_argument("--no-mirror", action="store_true", help="never mirror pictures")
    add("--overwrite", action="store_true", help="replace a config that is there")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from posekit.engine.new_dataset import new_dataset

    made = new_dataset(
        args.labels,
        args.images,
        args.out,
        name=args.name,
        category=args.category,
        val_share=args.val_share,
        seed=args.seed,
        input_size_hw=size_of(args.input_size),
        epochs=args.epochs,
        flip_pairs=pairs_of(args.flip_pairs),
        mirror=not args.no_mirror,
        overwrite=args.overwrite,
        tools=Path(sys.argv[0]).parent,
    )
    for topic, words in made.facts.items():
        print(f"{topic + ':':<11}{words}")
    for note in made.notes:
        print(f"{'note:':<11}{note}")
    print(f"\nwritten to {made.config.parent}; next:")
    for command in made.commands.values():
        print(f"  {command}")


def size_of(sides: list[int]) -> tuple[int, int]:
    from posekit.errors import ConfigError

    if len(sides) > 2:
        raise ConfigError(f"--input-size: expected a side, or height and width, found {len(sides)} numbers")
    return sides[0], sides[-1]


def pairs_of(words: list[str] | None) -> list[tuple[str, str]] | None:
    from posekit.errors import ConfigError

    if words in (None, ["none"]):
        return [] if words else None
    pairs = [tuple(word.split(",")) for word in words or []]
    wrong = [",".join(pair) for pair in pairs if len(pair) != 2]
    if wrong:
        raise ConfigError(f"--flip-pairs: expected A,B with names of two keypoints, found '{wrong[0]}'")
    return [(a, b) for a, b in pairs]


if __name__ == "__main__":
    run_tool(main)
