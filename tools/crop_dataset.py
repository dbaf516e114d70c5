"""Cuts people out of photos once, so that trainings need not decode whole photos again and again.

    python tools/crop_dataset.py CONFIG --out DIR [--split train]    the people of a config's data set
    python tools/crop_dataset.py ANN.json --images PHOTOS --out DIR  everybody of a COCO-form file
    python tools/crop_dataset.py --back RESULTS.json --crops DIR --out MAPPED.json

DIR gets ``annotations.json``, in COCO's form as the source's, and ``images/``, a crop for each person whom a
training would take: crowd regions and people without a labelled keypoint, an area, or a box inside the photo
get none and are counted. Every reader takes it as any other file; ``crop`` of an image says where it lies in
which photo. A crop ends where the photo does, so that samples see the same black beyond.

How much is cut: with CONFIG all that its crop and augmentation may show, at the largest scale, rotation and
shift, of half bodies and of cut-off people too, so that samples are those of the photos (with --format png to
a rounding of pixels; JPEG adds its noise). Without, a square about the box, of --padding times its longer
side: 2.5 is enough for people who stand, under all recipes here; of people who lie, the largest and most
turned samples may see black. --max-size reduces large people, which brings most of the speed on large photos.

Annotations keep their ids; a crop's image id is its annotation's. A split by image ids (hashed_split) chooses
others of the crops, and may part the people of one photo: with CONFIG its 'subset' alone is cropped. A crop
has its own person annotated and nobody else. Segments are left out: the source has them, by the same id.

--back maps keypoint results on crops (``results.json`` of tools/test.py) to the photos, where
tools/evaluate.py scores them against the source's annotation.

A pixel takes about 0.5 bytes as JPEG, 1.5 as PNG; a crop with room for HRNet's augmentation has four to five
times the pixels of the box's longer side squared.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posekit.engine.cli import add_cfg_options, run_tool

if TYPE_CHECKING:
    from posekit.datasets.crops.writer import Written
    from posekit.engine.crop_dataset import CropSource


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", nargs="?", metavar="CONFIG|ANN.json", help="a config, or an annotation file")
    add("--out", required=True, metavar="DIR", help="a new or empty folder; with --back a file")
    add("--split", choices=("train", "val", "test"), help="of a config (train)")
    add("--set", metavar="NAME", help="of several data sets of a config this one")
    add("--images", metavar="PHOTOS", help="the folder of an annotation file's photos")
    add("--category", nargs="+", metavar="NAME", help="of an annotation file's categories these alone")
    add("--padding", type=float, metavar="P", help="side of the crop, in longer sides of the box (2.5)")
    add("--max-size", metavar="N|auto", help="longest box; larger people are reduced; auto: by the config")
    add("--format", choices=("jpg", "png"), help="of the crops (jpg)")
    add("--quality", type=int, metavar="Q", help="of JPEG, 1 to 100 (95)")
    add("--chroma", choices=("444", "420"), help="JPEG's colours: fine, or read faster (444)")
    add("--workers", type=int, metavar="N", help="threads (the cores, at most 8)")
    add("--on-bad-record", choices=("error", "skip"), help="of an annotation file (error)")
    add(
        "--on-bad-image",
        choices=("error", "skip"),
        help="photos that cannot be read (a config's own choice, else error)",
    )
    add("--back", metavar="RESULTS.json", help="map results on crops to the photos")
    add("--crops", metavar="DIR", help="for --back: the folder of the crops")
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from posekit.datasets.crops.writer import CropForm, write_crops
    from posekit.engine.crop_dataset import source_of_arguments, write_results_on_photos
    from posekit.io.new_folder import check_new_folder
    from posekit.machine import core_count

    check_arguments(args)
    if args.back:
        number, dropped = write_results_on_photos(args.back, args.crops, args.out)
        print(f"{number} results on the photos: {args.out}")
        tell_fields("left out, since it is not known whether they are in pixels", dropped)
        return
    stated = {key: getattr(args, key) for key in ("format", "quality", "chroma")}
    form = CropForm(**{key: value for key, value in stated.items() if value is not None})
    check_new_folder(Path(args.out))
    args.out = str(Path(args.out).resolve())  # while there is a folder that it is relative to
    source = source_of_arguments(args, args.padding)
    form = replace(form, max_size=max_size(args.max_size, source.full_size))
    workers = args.workers or min(core_count(), 8)
    written = write_crops(
        source.table,
        source.content,
        args.out,
        source.region_of,
        form,
        workers,
        source.on_bad_image,
        progress=True,
        on_bad_record=source.on_bad_record,
    )
    report(args, source, written)


def check_arguments(args: argparse.Namespace) -> None:
    """Raises ConfigError of options that do not go together."""
    from posekit.errors import ConfigError

    if args.back:
        if args.source or not args.crops:
            raise ConfigError("--back goes with --crops DIR and --out FILE alone")
        if others := stated_options(args, "back", "crops", "out"):
            raise ConfigError(f"--back goes with --crops DIR and --out FILE alone; drop {', '.join(others)}")
    elif not args.source or args.crops:
        raise ConfigError("state a CONFIG, or ANN.json with --images PHOTOS; --crops goes with --back")
    if args.workers is not None and args.workers < 1:
        raise ConfigError(f"--workers: expected at least 1, found {args.workers}")


def stated_options(args: argparse.Namespace, *but: str) -> list[str]:
    """The options that are stated, those named apart."""
    stated = [name for name, value in vars(args).items() if value not in (None, [], ()) and name not in but]
    return [f"--{name.replace('_', '-')}" for name in stated]


def max_size(stated: str | None, full_size: int | None) -> int | None:
    """The number; "auto" is the config's."""
    from posekit.errors import ConfigError

    if stated == "auto":
        if full_size is None:
            raise ConfigError("--max-size auto goes with a config, which says how large the input is")
        return full_size
    if stated is not None and not stated.isdecimal():
        raise ConfigError(f"--max-size: expected a number of pixels or 'auto', found {stated!r}")
    return None if stated is None else int(stated)


def report(args: argparse.Namespace, source: CropSource, written: Written) -> None:
    """Says what was written, who was left out, and how to read it."""
    from posekit.datasets.crops.writer import ANNOTATIONS, IMAGES

    mean = written.size_bytes / written.crops
    print(
        f"{written.crops} crops of {written.photos} photos, {written.size_bytes / 1e6:.1f} MB "
        f"({mean / 1e3:.0f} kB each): {args.out}"
    )
    if written.left_out:
        print("no crop: " + ", ".join(f"{reason} {n}" for reason, n in sorted(written.left_out.items())))
    tell_fields("copied as they are; what is in pixels among them is still the photo's", written.unmapped)
    for note in source.notes:
        print(f"note: {note}")
    if source.full_size is not None and args.max_size is None:
        print(f"note: --max-size {source.full_size} would do for the input")
    if not args.source.endswith(".py"):
        return
    at = Path(args.out)
    where = f"{args.split or 'train'}_dataloader.dataset{f'.datasets.{args.set}' if args.set else ''}"
    options: dict[str, object] = {"source.ann_file": at / ANNOTATIONS, "source.image_dir": at / IMAGES}
    options |= dict.fromkeys(source.of_photos)
    words = (shlex.quote(f"{where}.{key}={value}") for key, value in options.items())
    print("\nto read them: --cfg-options " + " ".join(words))


def tell_fields(what: str, fields: Sequence[str]) -> None:
    if fields:
        print(f"note: fields {what}: {', '.join(fields)}")


if __name__ == "__main__":
    run_tool(main)
