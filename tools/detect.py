"""Finds people: ``python tools/detect.py INPUT... --out detections.json``.

INPUT is one or more images, folders, patterns ('photos/*.jpg') or http(s) addresses, one film, or one COCO
json (``--image-dir`` says where its images lie). The boxes go into ``--out`` in COCO's detection results
form, as ``load_coco(detections=...)``, ``tools/test.py`` and ``tools/demo.py --detections`` take them. For
images and films the list of images goes beside it, as ``<out>_images.json``. Where the json has annotations,
box AP is printed and written as ``<out>_metrics.json``.

A run that was interrupted goes on where it was when its command is repeated. Images that cannot be read are
left out, named at the end, and tried again by the next run; the exit status is then 3.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit.engine.cli import PARTLY, only_json_on_stdout, require_writable, run_tool

if TYPE_CHECKING:
    from posekit.detection import AnyDetector
    from posekit.detection.pictures import Picture, PictureList
    from posekit.detection.results import PartialRun

_SHOWN = 5


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "inputs", nargs="+", metavar="INPUT", help="images, folders, patterns, addresses; a film; a COCO json"
    )
    add("--out", required=True, metavar="JSON", help="the detections")
    add(
        "--network",
        metavar="NAME",
        help="a Faster R-CNN of torchvision (fasterrcnn_resnet50_fpn), or finder",
    )
    add(
        "--weights",
        default="coco",
        metavar="PATH",
        help="torchvision's file, a checkpoint of tools/train_detector.py, or finder, the small one that "
        "comes with posekit; default: torchvision's COCO weights, downloaded if need be",
    )
    add("--image-dir", metavar="DIR", help="folder of a COCO json's images (default: where it lies)")
    add("--score-threshold", type=float, default=0.05, metavar="S", help="leave out lesser boxes (0.05)")
    add("--nms", type=float, default=0.5, metavar="IOU", help="suppress beyond this IoU (0.5)")
    add("--max-people", type=int, default=100, metavar="N", help="at most so many per image (100)")
    add("--batch-size", type=int, default=4, metavar="N", help="images at once (4)")
    add("--every", type=int, default=1, metavar="N", help="of a film, every Nth frame")
    add("--device", metavar="D", help="cpu, cuda, cuda:1 (default: a GPU if there is one)")
    add("--restart", action="store_true", help="forget an unfinished run")
    add("--json", action="store_true", help="print what was found as JSON, and nothing else, on stdout")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    with only_json_on_stdout(args.json) as stdout, tempfile.TemporaryDirectory(prefix="posekit-") as folder:
        found = find_people(args, folder)
        if args.json:
            print(json.dumps(found), file=stdout)
    return PARTLY if found["left_out"] else 0


def find_people(args: argparse.Namespace, folder: str) -> dict[str, Any]:
    """All of the tool; what is downloaded is put into the folder. Returns what ``--json`` tells."""
    # Imported late, so that --help answers at once.
    from posekit.detection import open_detector
    from posekit.detection.pictures import list_pictures
    from posekit.detection.results import PartialRun
    from posekit.errors import ConfigError, DataError
    from posekit.io.files import sha256

    if args.every < 1:
        raise ConfigError(f"--every: expected at least 1, found {args.every}")
    out = Path(args.out)
    if out.suffix != ".json":
        raise ConfigError(f"--out: expected the name of a .json file, found {out}")
    listed = list_pictures(args.inputs, args.image_dir, args.every, folder)
    require_writable(out.parent)
    detector = open_detector(
        True if args.weights == "coco" else args.weights,
        args.network,
        score_threshold=args.score_threshold,
        nms_threshold=args.nms,
        max_people=args.max_people,
        device=args.device,
        batch_size=args.batch_size,
    )
    print(f"detector: {detector.describe()}")
    if args.restart:
        out.with_name(f"{out.name}.partial").unlink(missing_ok=True)
    settings = {
        "inputs": args.inputs,
        "image_dir": listed.folder,
        "every": args.every,
        "network": detector.network,
        "weights_sha256": sha256(detector.weights),
        "score_threshold": args.score_threshold,
        "nms": args.nms,
        "max_people": args.max_people,
    }
    with PartialRun(out, settings) as run:
        faulty = detect(detector, listed, run)
        records = list(run.done.values())
        if not records:
            raise DataError(f"not one of the images could be read: {'; '.join(faulty[:_SHOWN])}")
        scores = finish(out, listed, records, faulty, settings)
        run.remove()
    keys = ("id", "file_name", "height", "width", "time", "people")
    images = [{key: record[key] for key in keys if key in record} for record in records]
    return {"images": images, "box_ap": scores, "left_out": faulty, "out": str(out)}


def detect(detector: AnyDetector, listed: PictureList, run: PartialRun) -> list[str]:
    """Detects people in the pictures that are not done yet; returns what could not be read, in words."""
    from tqdm import tqdm

    from posekit.detection.pictures import ahead, batches

    faulty: list[str] = []
    if run.done:
        print(f"going on: {len(run.done)} images were done before")
    # Where nobody watches, such as in a log file, a line every ten seconds is enough.
    pause = 0.2 if sys.stderr.isatty() else 10.0
    bar = tqdm(total=listed.count, initial=0, unit="image", desc="people", mininterval=pause)
    with bar, _told(run):
        todo = _not_done(listed.pictures, run, bar)
        for batch in batches(ahead(todo, 2 * detector.batch_size), detector.batch_size):
            faulty += [str(image) for _, image in batch if isinstance(image, Exception)]
            good = [(picture, image) for picture, image in batch if not isinstance(image, Exception)]
            run.add(_records(detector, good, listed.category_id))
            bar.update(len(batch))
    return faulty + listed.problems


def _not_done(pictures: Any, run: PartialRun, bar: Any) -> Iterator[Picture]:
    for picture in pictures:
        if picture.key in run.done:
            bar.update(1)
        else:
            yield picture


@contextlib.contextmanager
def _told(run: PartialRun) -> Iterator[None]:
    """Says at an interruption what is safe."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\n{len(run.done)} images are done; repeat the command to go on", file=sys.stderr)
        raise


def _records(
    detector: AnyDetector, pictures: Sequence[tuple[Picture, Any]], category_id: int
) -> list[dict[str, Any]]:
    """One line of the partial file for each picture."""
    from posekit.detection.results import coco_detections

    found = detector([image for _, image in pictures])
    return [
        {
            "key": picture.key,
            "id": picture.image_id,
            "file_name": picture.name,
            "height": image.shape[0],
            "width": image.shape[1],
            **({} if picture.time is None else {"time": picture.time}),
            "people": coco_detections(people, picture.image_id, category_id),
        }
        for (picture, image), people in zip(pictures, found, strict=True)
    ]


def finish(
    out: Path,
    listed: PictureList,
    records: Sequence[dict[str, Any]],
    faulty: Sequence[str],
    settings: dict[str, Any],
) -> dict[str, float] | None:
    """Writes what was found, and scores it where there is ground truth; returns the scores."""
    from posekit.detection.results import write_compact

    # The order of the images, whatever was done before an interruption.
    records = sorted(records, key=lambda record: record["id"])
    people = [person for record in records for person in record["people"]]
    if listed.ann_file is None:
        names = {record["id"]: record["file_name"] for record in records}
        people = [{**person, "file_name": names[person["image_id"]]} for person in people]
        write_compact(out.with_name(f"{out.stem}_images.json"), _image_list(listed, records))
    write_compact(out, people)
    print(f"{len(people)} people in {len(records)} images written to {out}")
    if faulty:
        more = f" (and {len(faulty) - _SHOWN} more)" if len(faulty) > _SHOWN else ""
        print(
            f"{len(faulty)} could not be read and are left out:",
            *faulty[:_SHOWN],
            sep="\n  ",
            file=sys.stderr,
        )
        print(more, file=sys.stderr, end="\n" if more else "")
    return None if listed.ann_file is None else report_ap(out, listed.ann_file, people, settings)


def _image_list(listed: PictureList, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The images in COCO's form, so that ids can be resolved; ``load_coco`` takes it with detections."""
    keys = ("id", "file_name", "height", "width", "time")  # a film's frames have times, seconds
    return {
        "info": {"description": "images that people were looked for in", "image_dir": listed.folder},
        "images": [{key: record[key] for key in keys if key in record} for record in records],
        "categories": [{"id": 1, "name": "person"}],
    }


def report_ap(
    out: Path, ann_file: str, people: Sequence[dict[str, Any]], settings: dict[str, Any]
) -> dict[str, float] | None:
    """Prints and writes box AP, if the json has annotations; images that failed count as not found."""
    from posekit.detection.box_ap import PersonTruth
    from posekit.io.files import read_json, write_json
    from posekit.metrics.base import lacks_annotations
    from posekit.metrics.tables import score_table

    if lacks_annotations(read_json(ann_file)):
        print(f"{ann_file} has no annotations, so there is no AP")
        return None
    scores = PersonTruth(ann_file).score(people)
    protocol = {**settings, "annotations": ann_file, "evaluator": "COCOeval bbox, people, crowds ignored"}
    write_json(out.with_name(f"{out.stem}_metrics.json"), {**scores, "protocol": protocol})
    print(f"\n{score_table(scores, 'box AP of people (pycocotools):')}")
    return dict(scores)


if __name__ == "__main__":
    run_tool(main)
