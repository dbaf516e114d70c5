"""Cuts people out of photos, to be pasted into others: ``PasteCutouts``, ``PastedPeople``.

    python tools/cut_out.py CONFIG --out DIR [--split train]    the people of a config's data set
    python tools/cut_out.py ANN.json --images PHOTOS --out DIR  the people of a COCO-form file

DIR gets a PNG file with transparency for each person, ``<photo>_<annotation id>.png``. Files of your own,
things too, may be put beside them. Where the annotation has polygons (``segmentation``), they say who is
person, else GrabCut does, begun from the keypoints: shoulders and hips must be labelled. Look at some: there
a piece of the background may stay; of people whom something hides a part is missing.

People without a labelled keypoint are left out, as trainings leave them out. A test set's people do not
belong in a training: with CONFIG its 'subset' alone is cut out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from posekit.engine.cli import add_cfg_options, run_tool


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", metavar="CONFIG|ANN.json", help="a config, or an annotation file")
    add("--out", required=True, metavar="DIR", help="a new or empty folder")
    add("--split", choices=("train", "val", "test"), help="of a config (train)")
    add("--set", metavar="NAME", help="of several data sets of a config this one")
    add("--images", metavar="PHOTOS", help="the folder of an annotation file's photos")
    add("--category", nargs="+", metavar="NAME", help="of an annotation file's categories these alone")
    add("--standing", action="store_true", help="only who is seen to sit or stand, the head up")
    add("--least-side", type=int, default=48, metavar="N", help="leave out smaller people, pixels (48)")
    add(
        "--on-bad-image",
        choices=("error", "skip"),
        help="photos that cannot be read (a config's own choice, else error)",
    )
    add("--on-bad-record", choices=("error", "skip"), help="of an annotation file (error)")
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from posekit.datasets.cutouts import write_cutouts
    from posekit.engine.crop_dataset import source_of_arguments
    from posekit.errors import ConfigError
    from posekit.io.new_folder import check_new_folder

    if args.least_side < 1:
        raise ConfigError(f"--least-side: expected at least 1 pixel, found {args.least_side}")
    check_new_folder(Path(args.out))
    source = source_of_arguments(args, padding=1.0)
    written = write_cutouts(
        source.table,
        source.content,
        args.out,
        args.standing,
        args.least_side,
        source.on_bad_image,
        source.on_bad_record,
        progress=True,
    )
    print(f"{written.people} people cut out: {args.out}")
    if written.left_out:
        print("left out: " + ", ".join(f"{reason} {n}" for reason, n in sorted(written.left_out.items())))


if __name__ == "__main__":
    run_tool(main)
