"""Poses in photos, videos or of a webcam: ``python tools/demo.py INPUT...``.

Draws skeletons, boxes and scores, and writes the pictures (or the video) and the poses as JSON in COCO's
results form. Without a display nothing is missed. INPUT is a file, a folder, a pattern ('photos/*.jpg'), an
http(s) address or a webcam's number; a webcam runs until Ctrl-C, or for ``--frames``.

The people's boxes come from ``--boxes``, from a detection file, or from a detector (a network's name with its
COCO weights, or a file of weights). Without any of these, a network of people takes the small finder that
comes with posekit. Where that finds nobody, for other keypoints, and with ``--detector none``, the whole
frame is taken for one person, who is then looked at more closely (``--refine``). Who is no clear person is
left out, if the model's scores are calibrated, and the output says so; unsure joints are faint, and the least
sure are left out. A bottom-up network finds everybody itself, and takes none of these. An image that cannot
be read is named and left out, and so is what is no image in a folder.

Ends with status 0, with 3 if some of what was given could not be used, with 2 if nothing could. Ctrl-C keeps
what is done until then (130).
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

from posekit.engine.cli import PARTLY, only_json_on_stdout, require_writable, run_tool

if TYPE_CHECKING:
    from posekit.inference import Predictor
    from posekit.inference.json_out import JsonDocument


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        help="photos, folders, patterns, addresses, videos, a webcam's number",
    )
    parser.add_argument(
        "--out",
        metavar="PATH",
        help="a folder (default: work_dirs/demo/NAME); for one photo or video also a file's name",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", metavar="NAME|CONFIG", help="of the zoo, or a config; default: the bundled")
    which.add_argument("--config", dest="model", metavar="CONFIG", help="the same")
    which.add_argument("--zoo", dest="model", metavar="NAME", help="the same")
    which.add_argument(
        "--accurate", action="store_true",
        help="HRNet-W32 of the zoo and Faster R-CNN: much better, slower, downloaded once",
    )  # fmt: skip
    parser.add_argument("--checkpoint", metavar="PATH", help="weights; a config needs them")
    boxes = parser.add_mutually_exclusive_group()
    boxes.add_argument("--boxes", nargs="+", type=box, metavar="X1,Y1,X2,Y2", help="pixels; of every image")
    boxes.add_argument("--detections", metavar="JSON", help="a COCO detection file")
    boxes.add_argument("--detector", metavar="NAME|PATH", help="a network, weights, finder, or none")
    parser.add_argument(
        "--box-threshold",
        type=float,
        metavar="S",
        help="leave out boxes that detector or file are less sure of (0.5; the finder that comes with "
        "posekit: 0.3); 0: none",
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
    parser.add_argument(
        "--flip", action=argparse.BooleanOptionalAction,
        help="average with the mirror image, in twice the time (default: as the model is set; the bundled "
        "one is set to go without)",
    )  # fmt: skip
    parser.add_argument("--frames", type=int, metavar="N", help="stop after so many, of each input")
    words = "what computes the network: eager, folded (default), bf16, compile or onnx"
    parser.add_argument("--backend", metavar="B", help=words)
    parser.add_argument("--device", help="e.g. cuda:1 or cpu (default: the first GPU, if any)")
    parser.add_argument(
        "--json", action="store_true", help="print the poses as JSON, and nothing else, on stdout"
    )
    # argparse takes "-5,10,100,200" for an option unless there is a space in it.
    return parser.parse_args([re.sub(r"^-(?=[\d.])", " -", word) for word in sys.argv[1:]])


def box(text: str) -> list[float]:
    """A box of the command line."""
    numbers = [float(word) for word in text.split(",")]
    if len(numbers) != 4:
        raise argparse.ArgumentTypeError(f"expected x1,y1,x2,y2, found '{text}'")
    return numbers


def main() -> int:
    args = parse_arguments()
    with only_json_on_stdout(args.json) as stdout, ExitStack() as stack:
        if not args.json:
            return demonstrate(args, stack, None)
        from posekit.inference.json_out import json_document

        return demonstrate(args, stack, stack.enter_context(json_document(stdout)))


def demonstrate(args: argparse.Namespace, stack: ExitStack, document: JsonDocument | None) -> int:
    """All of the tool; returns its exit status."""
    # Imported late, so that --help answers at once.
    from posekit.errors import ConfigError, DataError
    from posekit.inference.demo import Demo, Settings
    from posekit.inference.detections import DetectionFile
    from posekit.inference.places import places, refuse_overwriting
    from posekit.io.sources import open_sources

    if args.frames is not None and args.frames < 1:
        raise ConfigError(f"--frames: expected at least 1, found {args.frames}")
    if args.box_threshold is not None and not args.box_threshold <= 1:  # NaN, too
        raise ConfigError(f"--box-threshold: expected at most 1, as scores are, found {args.box_threshold:g}")
    if args.accurate and (args.detector or args.checkpoint):
        raise ConfigError(
            "--accurate: has weights and a detector of its own; leave out --checkpoint, --detector"
        )
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="posekit-"))
    sources, problems = open_sources(args.inputs, folder)
    outputs = places(args.out, sources)
    refuse_overwriting(sources, outputs, [args.detections] if args.detections else [])
    for where in outputs:
        require_writable(where.results.parent)
    least = 0.5 if args.box_threshold is None else args.box_threshold
    detections = DetectionFile(args.detections, least) if args.detections else None
    predictor = predictor_of(args)
    for name, words in predictor.describe().items():
        if name != "boxes" or (detections is None and args.boxes is None):
            print(f"{name + ':':9}{words}")
    settings = Settings(args.boxes, detections, args.frames, args.track, args.smooth, args.appearance)
    demo = Demo(predictor, settings, document)
    for source, where in zip(sources, outputs, strict=True):
        demo.run(source, where)
    demo.left_out(*problems)
    if not demo.images:
        raise DataError("\n".join(demo.problems))
    if not demo.problems:
        return 0
    print(f"error: {len(demo.problems)} of what was given could not be used (see above)", file=sys.stderr)
    return PARTLY


def predictor_of(args: argparse.Namespace) -> Predictor:
    """The predictor that the options ask for; weights that are to be downloaded are, first."""
    from posekit import Predictor

    model, detector = args.model, {None: "auto", "none": None}.get(args.detector, args.detector)
    if args.accurate:
        from posekit.inference.accurate import ACCURATE_DETECTOR, ACCURATE_MODEL, obtain_accurate

        finds = args.boxes is None and args.detections is None
        obtain_accurate(detector=finds)
        model, detector = ACCURATE_MODEL, ACCURATE_DETECTOR if finds else None
    return Predictor(
        model,
        args.checkpoint,
        detector,
        args.device,
        flip_test=args.flip,
        refine=args.refine,
        detector_threshold=args.box_threshold,
        backend=args.backend,
    )


if __name__ == "__main__":
    run_tool(main)
