"""Poses in a photo, a folder of photos, a video or a webcam: ``python tools/demo.py INPUT``.

Draws skeletons, boxes and scores, and writes the pictures (or the video) and the poses as JSON in COCO's
results form. Without a display nothing is missed. INPUT is a file, a folder or a webcam's number; a webcam
runs until Ctrl-C, or for ``--frames``.

The people's boxes come from ``--boxes``, from a detection file, or from a detector (a network's name with its
COCO weights, or a file of weights). Without any of these, a network of people takes the small finder that
comes with posekit. Where that finds nobody, for other keypoints, and with ``--detector none``, the whole
frame is taken for one person, who is then looked at more closely (``--refine``). Who is no clear person is
left out, if the model's scores are calibrated, and the output says so. A bottom-up network finds everybody
itself, and takes none of these. An image that cannot be read is named
and left out, and so is what is no image in a folder.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from posekit.engine.cli import require_writable, run_tool

if TYPE_CHECKING:
    import numpy as np

    from posekit.inference import People, Predictor
    from posekit.io.sources import Frame, Source

SUFFIXES = (".jpg", ".jpeg", ".png")  # of pictures that are written as what they were
LARGEST_JPEG = 65500
IMAGES_AT_ONCE = 4


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", metavar="INPUT", help="a photo, a folder, a video, or a webcam's number")
    parser.add_argument(
        "--out",
        metavar="PATH",
        help="a folder (default: work_dirs/demo/NAME); for one photo or video also a file's name",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", metavar="NAME|CONFIG", help="of the zoo, or a config; default: the bundled")
    which.add_argument("--config", dest="model", metavar="CONFIG", help="the same")
    which.add_argument("--zoo", dest="model", metavar="NAME", help="the same")
    parser.add_argument("--checkpoint", metavar="PATH", help="weights; a config needs them")
    boxes = parser.add_mutually_exclusive_group()
    boxes.add_argument("--boxes", nargs="+", type=box, metavar="X1,Y1,X2,Y2", help="pixels; of every image")
    boxes.add_argument("--detections", metavar="JSON", help="a COCO detection file")
    boxes.add_argument("--detector", metavar="NAME|PATH", help="a network, a detector's weights, or none")
    parser.add_argument(
        "--box-threshold",
        type=float,
        default=0.5,
        metavar="S",
        help="leave out boxes that detector or file are less sure of (0.5); 0: none",
    )
    parser.add_argument(
        "--refine", type=int, default=2, metavar="N", help="closer looks at a whole frame's joints (2)"
    )
    parser.add_argument("--track", action="store_true", help="number people from frame to frame")
    parser.add_argument(
        "--smooth", action="store_true", help="smooth over time (One-Euro filter); tracks too"
    )
    parser.add_argument(
        "--appearance", action="store_true",
        help="know people again by the colours of their clothes after they were hidden; tracks too",
    )  # fmt: skip
    parser.add_argument("--no-flip", action="store_true", help="do not average with the mirror image")
    parser.add_argument("--frames", type=int, metavar="N", help="stop after so many")
    parser.add_argument("--device", help="e.g. cuda:1 or cpu (default: the first GPU, if any)")
    # argparse takes "-5,10,100,200" for an option unless there is a space in it.
    return parser.parse_args([re.sub(r"^-(?=[\d.])", " -", word) for word in sys.argv[1:]])


def box(text: str) -> list[float]:
    """A box of the command line."""
    numbers = [float(word) for word in text.split(",")]
    if len(numbers) != 4:
        raise argparse.ArgumentTypeError(f"expected x1,y1,x2,y2, found '{text}'")
    return numbers


class Places(NamedTuple):
    """Where the output goes: the results, and either a video or a folder (or one name) for pictures."""

    results: Path
    video: Path | None = None
    folder: Path | None = None
    picture: Path | None = None


def places(out: str | None, source: Source) -> Places:
    """The output's paths.

    Raises:
        ConfigError: If one file's name is given for several pictures, or one of another kind or suffix.
    """
    from posekit.errors import ConfigError

    stem = source.name.replace(" ", "_") if source.is_live else Path(source.name).resolve().stem
    path = Path(out) if out else Path("work_dirs", "demo", stem)
    videos = (".mp4", ".avi")
    if out and path.suffix and path.suffix.lower() not in (*SUFFIXES, *videos) and not is_folder(out):
        raise ConfigError(
            f"--out {out}: expected a file that ends in {', '.join((*videos, *SUFFIXES))}, or a folder, "
            f"found '{path.suffix}'; end the name of a new folder with '/' if it has a dot"
        )
    if path.is_dir() or path.suffix.lower() not in (*SUFFIXES, *videos):
        video = path / f"{stem}.mp4" if source.is_video else None
        return Places(path / "results.json", video, None if source.is_video else path)
    if source.is_video != (path.suffix.lower() in videos):
        wanted = "a video (.mp4, .avi)" if source.is_video else "pictures"
        raise ConfigError(f"--out {path}: the output is {wanted}; give a folder or such a file")
    if source.is_video:
        return Places(path.with_suffix(".json"), path)
    if source.count != 1 or Path(source.name).is_dir():
        raise ConfigError(f"--out {path}: one file's name for the photos of {source.name}; give a folder")
    return Places(path.with_suffix(".json"), picture=path)


def is_folder(out: str) -> bool:
    """Whether a path is a folder's: of one that is there, or by the slash at its end."""
    return Path(out).is_dir() or out.endswith(("/", os.sep))


def main() -> None:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from posekit import Predictor
    from posekit.errors import ConfigError
    from posekit.inference.detections import DetectionFile
    from posekit.io.sources import open_source

    if args.frames is not None and args.frames < 1:
        raise ConfigError(f"--frames: expected at least 1, found {args.frames}")
    if not args.box_threshold <= 1:  # NaN, too
        raise ConfigError(f"--box-threshold: expected at most 1, as scores are, found {args.box_threshold:g}")
    source = open_source(args.input)
    where = places(args.out, source)
    refuse_overwriting(source, where)
    require_writable(where.results.parent)
    detections = DetectionFile(args.detections, args.box_threshold) if args.detections else None
    predictor = Predictor(
        args.model,
        args.checkpoint,
        {None: "auto", "none": None}.get(args.detector, args.detector),
        args.device,
        flip_test=False if args.no_flip else None,
        refine=args.refine,
        detector_threshold=args.box_threshold,
    )
    for name, words in predictor.describe().items():
        if name != "boxes" or (detections is None and args.boxes is None):
            print(f"{name + ':':9}{words}")
    run(args, source, where, predictor, detections)


def refuse_overwriting(source: Source, where: Places) -> None:
    """Raises ConfigError where the output would replace what is read."""
    from posekit.errors import ConfigError

    inputs = {Path(path).resolve() for path in getattr(source, "paths", [source.name])}
    outputs = [picture_path(where, path) for path in inputs] if not source.is_video else [where.video]
    for path in outputs:
        if path is not None and path.resolve() in inputs:
            raise ConfigError(f"--out: {path} would be overwritten; choose another place")


class Counts(NamedTuple):
    """What was done: images, people, boxes that no crop can be cut from; and what ended it early."""

    images: int
    people: int
    unusable: int
    unclear: int
    failure: Exception | None = None


def run(
    args: argparse.Namespace, source: Source, where: Places, predictor: Predictor, detections: Any
) -> None:
    """Predicts, draws and writes, one frame after another; says at the end what was left out.

    Raises:
        DataError: If there is no frame, or a picture could not be written; the poses are written then, too.
    """
    from posekit.errors import DataError
    from posekit.inference.results import results_file

    with results_file(where.results) as add:
        counts = predict_all(args, source, where, predictor, detections, add)
        if counts.images == 0:
            raise DataError("; ".join(source.problems) or f"{source.name}: there is no frame in it")
    problems = [*source.problems, *(detections.notes() if detections is not None else ())]
    report(source, where, problems, *counts[:4])
    if counts.failure is not None:
        raise DataError(
            f"{counts.failure}. It stopped there; the poses of {counts.images} of the images are in "
            f"{where.results}"
        ) from counts.failure


def predict_all(
    args: argparse.Namespace,
    source: Source,
    where: Places,
    predictor: Predictor,
    detections: Any,
    add: Any,
) -> Counts:
    """Hands the poses of each frame to ``add`` and writes its picture, until one cannot be written."""
    from tqdm import tqdm

    from posekit.io.video import UnwrittenError

    tracked = args.track or args.smooth or args.appearance
    follow = follower(predictor, args.smooth, args.appearance) if tracked else None
    images = people = unusable = unclear = 0
    failure: Exception | None = None
    count = source.count if args.frames is None else min(args.frames, source.count or args.frames)
    try:
        with ExitStack() as stack:
            write = writer(stack, source, where)
            bar = stack.enter_context(tqdm(total=count, unit="frame" if source.is_video else "image"))
            try:
                for frame, found in predicted(args, source, predictor, detections):
                    poses = [pose for i, pose in enumerate(found) if i not in found.unusable]
                    poses = follow(poses, frame.time, frame.image) if follow else poses
                    facts = where_from(frame)
                    add(poses, frame.image_id, tracked, **facts)
                    images, people, unusable = images + 1, people + len(poses), unusable + len(found.unusable)
                    unclear += found.unclear
                    write(frame, drawn(frame.image, poses, predictor, tracked))
                    bar.update()
            except KeyboardInterrupt:
                if not source.is_live:
                    raise
            if not source.is_video:  # the bar counts what could not be read, too
                bar.update(min(images + len(source.problems), bar.total) - bar.n)
    except (OSError, UnwrittenError) as error:  # a full disk: what was found is not lost with it
        failure = error
    return Counts(images, people, unusable, unclear, failure)


def predicted(
    args: argparse.Namespace, source: Source, predictor: Predictor, detections: Any
) -> Iterator[tuple[Frame, People]]:
    """The frames with their people, a few frames ahead at most."""
    from itertools import islice, tee

    waiting: deque[Frame] = deque()

    def frames() -> Iterator[tuple[Frame, Any, Any]]:
        for frame in islice(source, args.frames):
            waiting.append(frame)
            given = (args.boxes, None)
            if detections is not None:
                given = detections.of(frame.path or frame.image_id)
            yield (frame, *given)

    images, boxes, scores = tee(frames(), 3)
    stream = predictor.stream(
        (item[0].image for item in images),
        (item[1] for item in boxes),
        (item[2] for item in scores),
        images_at_once=1 if source.is_live else IMAGES_AT_ONCE,
    )
    for people in stream:
        yield waiting.popleft(), people


def follower(predictor: Predictor, smooth: bool, appearance: bool) -> Any:
    """A function of a frame's poses, its time and picture that numbers them and, if asked, smooths them."""
    from posekit.inference.appearance import Appearance
    from posekit.inference.torso_colours import TorsoColours
    from posekit.inference.tracking import OKSTracker, PoseSmoother

    looks = Appearance(TorsoColours(predictor.skeleton)) if appearance else None
    track, smoother = OKSTracker(predictor.skeleton, appearance=looks), PoseSmoother()

    def follow(poses: list[Any], time: float, image: np.ndarray) -> list[Any]:
        numbered = track(poses, time, image)
        return smoother(numbered, time) if smooth else numbered

    return follow


def where_from(frame: Frame) -> dict[str, Any]:
    """What a frame's results say of it: the photo's file, or the time in the video, seconds."""
    return {"file_name": frame.path.name} if frame.path else {"time": round(frame.time, 6)}


def drawn(image: np.ndarray, poses: list[Any], predictor: Predictor, tracked: bool) -> np.ndarray:
    """The picture with its people: all drawing is here."""
    from posekit.visualization import draw_poses

    ids = [pose.person_id for pose in poses] if tracked else None
    return draw_poses(image, poses, predictor.skeleton, ids=ids)


def picture_path(where: Places, path: Path) -> Path | None:
    """Where the picture of a photo goes."""
    if where.picture or where.folder is None:
        return where.picture
    return where.folder / (path.name if path.suffix.lower() in SUFFIXES else f"{path.name}.png")


def writer(stack: ExitStack, source: Source, where: Places) -> Any:
    """A function of a frame and its picture that writes it; the video is opened at its first frame."""
    from posekit.io.video import video_writer
    from posekit.visualization import save_image

    append: Any = None

    def write(frame: Frame, picture: np.ndarray) -> None:
        nonlocal append
        if where.video is not None:
            append = append or stack.enter_context(video_writer(where.video, source.rate, picture.shape[:2]))
            append(picture, frame.time)
        elif frame.path is not None and (path := picture_path(where, frame.path)) is not None:
            too_large = max(picture.shape[:2]) > LARGEST_JPEG and path.suffix.lower() != ".png"
            save_image(path.with_name(f"{path.name}.png") if too_large else path, picture)

    return write


def report(
    source: Source,
    where: Places,
    problems: list[str],
    images: int,
    people: int,
    unusable: int,
    unclear: int,
) -> None:
    for problem in problems:
        print(f"left out: {problem}")
    if unusable:
        print(f"left out: {unusable} boxes that are not finite, have no area or lie outside their image")
    if unclear:
        print(f"left out: {unclear} that were looked at and are no clear person")
    kind = "frames" if source.is_video else "images"
    target = where.video or where.folder or where.picture
    print(f"{people} poses in {images} {kind}: {target}, {where.results}")


if __name__ == "__main__":
    run_tool(main)
