"""A network as one file for use without posekit: ``python tools/export.py NAME|CONFIG [CHECKPOINT]``.

The file holds the network with folded batch norms, the normalisation of its input, the average with the
mirror image (as the model is set, or --flip, --no-flip) and, with --decode, the way from heatmaps to points.
Its input is "images", float32 (B, 3, H, W), RGB from 0 to 255, crops of a fixed size in batches of any; it
gives "heatmaps", or "points" in input pixels and "scores", as heads of other kinds do always. What it is of
(keypoints, crop, codec, calibration) is written into an .onnx file as json, under "posekit". It is compared
with torch, on crops of a photo of yours by --photo, and not written if it differs.

--half writes float16 inside, of half the size; --int8 8-bit integers, of a third. Both say what that costs:
by how much the joints move, on people of --calibrate DIR, a folder of photos, or else of CONFIG's validation
set. Of these people every second one gives int8 its scales, the others are measured on.

``Predictor("model.onnx")``, ``demo.py --model model.onnx`` and ``test.py CONFIG model.onnx`` take an .onnx
file, and give the same scores. Needs ``pip install posekit[onnx]``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from posekit.engine.cli import run_tool

if TYPE_CHECKING:
    from torch import Tensor

    from posekit.inference.network import PoseNetwork


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="NAME|CONFIG", help="of the zoo, a bundled model, or a config file")
    parser.add_argument("checkpoint", nargs="?", help="the weights, of a config")
    parser.add_argument("--out", metavar="FILE", help="default: NAME.onnx or NAME.pt2, here")
    parser.add_argument("--format", choices=("onnx", "torch_export"), default="onnx")
    parser.add_argument(
        "--flip", action=argparse.BooleanOptionalAction,
        help="average with the mirror image inside (default: as the model is set)",
    )  # fmt: skip
    parser.add_argument("--decode", action="store_true", help="points and scores instead of heatmaps")
    parser.add_argument("--photo", metavar="FILE", help="compare on crops of this photo's people")
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument("--half", action="store_true", help="half precision inside")
    precision.add_argument("--int8", action="store_true", help="8-bit integers inside")
    words = "photos of people to calibrate and measure on (default: CONFIG's validation set)"
    parser.add_argument("--calibrate", metavar="DIR", help=words)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from posekit.inference.export import export
    from posekit.inference.network import load_network

    network = load_network(args.model, args.checkpoint)
    suffix = ".onnx" if args.format == "onnx" else ".pt2"
    out = Path(args.out or f"{Path(network.name).stem}{suffix}")
    precision = "half" if args.half else "int8" if args.int8 else "float32"
    crops, calibration = crops_for(args, network, precision)
    inside = network.estimator.flip_test if args.flip is None else args.flip, args.decode
    found = export(network, out, args.format, *inside, crops, precision, calibration)
    words = ", ".join(f"{name} within {value:.1e}" for name, value in found.items())
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB; compared with torch: {words}")
    if found.cost is not None:
        print(f"what {precision} costs: {found.cost}")


def crops_for(
    args: argparse.Namespace, network: PoseNetwork, precision: str
) -> tuple[Tensor | None, Tensor | None]:
    """Crops to compare on, and of int8 others to calibrate on.

    Raises:
        ConfigError: If the command line names none that int8 needs, or some for nothing.
        DataError: If there are too few.
    """
    import torch

    from posekit.errors import ConfigError
    from posekit.inference.reduced import crops_of_config, shared_out, spread

    is_config = args.model.endswith(".py")
    if precision == "float32" and args.calibrate is not None:
        raise ConfigError("--calibrate: is for --int8 or --half")
    if args.photo is not None and args.calibrate is not None:
        raise ConfigError("--photo and --calibrate: state one, the photos of --calibrate are compared on too")
    if args.calibrate is not None:
        photos = photos_of(args.calibrate)
        crops = torch.cat([crops_of(photo, network) for photo in photos])
        crops, source = crops[spread(len(crops))], f"--calibrate {args.calibrate}"
    elif precision != "float32" and args.photo is None and is_config:
        crops, source = crops_of_config(args.model), f"config {args.model}"
    elif precision == "int8":
        raise ConfigError("--int8: needs people to calibrate on: state --calibrate DIR, a folder of photos")
    else:
        return None if args.photo is None else crops_of(args.photo, network), None
    return shared_out(crops, source)[::-1] if precision == "int8" else (crops, None)


def photos_of(folder: str) -> list[str]:
    """At most 256 photos of a folder, spread over it.

    Raises:
        DataError: If there is no such folder, or none in it.
    """
    from posekit.errors import DataError
    from posekit.inference.reduced import spread
    from posekit.io.pictures import picture_files

    files = picture_files(Path(folder)) if Path(folder).is_dir() else []
    if not files:
        raise DataError(f"--calibrate {folder}: expected a folder of photos, found none")
    return [str(files[n]) for n in spread(len(files))]


def crops_of(photo: str, network: PoseNetwork) -> Tensor:
    """The people's crops of a photo, or the whole photo's, uint8 (B, 3, H, W)."""
    import numpy as np
    import torch

    from posekit.inference.crops import cut_people
    from posekit.inference.detectors import embedded_finder
    from posekit.io.images import read_image

    image = read_image(photo, orientation="apply")
    finder = embedded_finder(network.estimator.skeleton, torch.device("cpu"))
    boxes = finder([image])[0].boxes_xyxy if finder is not None else np.zeros((0, 4))
    boxes = boxes if len(boxes) else np.array([[0, 0, image.shape[1], image.shape[0]]], float)
    crops = np.zeros((len(boxes), 3, *network.crop.input_size_hw), np.uint8)
    cut_people(image, np.asarray(boxes, np.float64), network.crop, crops)
    return torch.from_numpy(crops)


if __name__ == "__main__":
    run_tool(main)
