"""Embeddings of pictures: ``python tools/embed.py CONFIG CHECKPOINT IMAGES...``, or a bundle alone.

    python tools/embed.py CONFIG CHECKPOINT photos/*.jpg --points points.csv --out embeddings.npz
    python tools/embed.py CONFIG CHECKPOINT faces --landmarks face68
    python tools/embed.py MODEL.safetensors photos --neighbours sheet.png

IMAGES are files, folders and patterns. A picture that --points (image, x0, y0 .. x4, y4; five points) has is
aligned by them. In any other --landmarks finds the five points: it shows one face then, which fills most of
it. Without either it is taken whole, so cut it to what the network was trained on. The file has
``image`` (N,) and ``embedding`` (N, D), as tools/evaluate.py takes it. Nothing of a picture is written unless
--neighbours asks for the sheet. Read posekit/docs/recognition.md first: a face's embedding is biometric data.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from posekit.engine.cli import require_writable, run_tool


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="CONFIG|BUNDLE", help="a config (.py), or .safetensors with a card")
    parser.add_argument(
        "inputs", nargs="+", metavar="CHECKPOINT IMAGES", help="a config's weights; then the pictures"
    )
    parser.add_argument("--points", metavar="CSV", help="five points, to align faces by")
    parser.add_argument(
        "--landmarks", metavar="MODEL", help="a landmark network that finds them: face68, or a .safetensors"
    )
    parser.add_argument(
        "--out", default="embeddings.npz", metavar="NPZ", help="where to write them (%(default)s)"
    )
    parser.add_argument("--neighbours", metavar="PNG", help="also a sheet of each picture's nearest others")
    parser.add_argument("--count", type=int, default=5, metavar="K", help="neighbours shown (%(default)s)")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    from posekit.errors import ConfigError

    is_config = Path(args.model).suffix == ".py"
    checkpoint, words = (args.inputs[0], args.inputs[1:]) if is_config else (None, args.inputs)
    if not words:
        raise ConfigError("IMAGES: state at least one picture, folder or pattern after the checkpoint")
    out = Path(args.out)
    sheet = None if args.neighbours is None else Path(args.neighbours)
    if out.suffix != ".npz":
        raise ConfigError(f"--out {out}: expected a file that ends in .npz")
    if sheet is not None and sheet.suffix.lower() not in (".png", ".jpg"):
        raise ConfigError(f"--neighbours {sheet}: expected a file that ends in .png or .jpg")
    if args.count < 1:
        raise ConfigError(f"--count: expected at least 1, found {args.count}")
    # Imported late, so that --help answers at once.
    from posekit.recognition.embed_files import (
        embed_files,
        find_pictures,
        neighbour_sheet,
        picture_names,
        read_points,
    )
    from posekit.recognition.files import write_embeddings

    paths = find_pictures(words)
    if sheet is not None and sheet.resolve() in {path.resolve() for path in paths}:
        raise ConfigError(f"--neighbours: {sheet} would overwrite one of the pictures; choose another place")
    points = None if args.points is None else read_points(args.points, picture_names(paths))
    require_writable(out.parent)
    model, size_hw = network(args, checkpoint)
    if args.landmarks is not None:
        from posekit import Predictor
        from posekit.recognition.landmarks import find_five_points

        bundle = args.landmarks.endswith(".safetensors")
        given = {"checkpoint": args.landmarks} if bundle else {"model": args.landmarks}
        predictor = Predictor(**given, detector=None)
        points = find_five_points(predictor, paths, picture_names(paths), points or {})
    names, embeddings = embed_files(model, size_hw, paths, points)
    write_embeddings(out, names, embeddings)
    aligned = sum(name in (points or {}) for name in names)
    print(f"{len(names)} pictures, {aligned} aligned by points; {embeddings.shape[1]} numbers each: {out}")
    if sheet is not None:
        from posekit.visualization import save_image

        require_writable(sheet.parent, "--neighbours")
        print("written:", save_image(sheet, neighbour_sheet(paths, names, embeddings, args.count)))


def network(args: argparse.Namespace, checkpoint: str | None) -> tuple[object, tuple[int, int]]:
    """The network, on the GPU if there is one, and its input's height and width."""
    import torch

    from posekit.inference.network import load_network
    from posekit.recognition import heads  # noqa: F401 (a card names its parts)

    found = load_network(args.model, checkpoint) if checkpoint else load_network(None, args.model)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return found.estimator.to(device), found.crop.input_size_hw


if __name__ == "__main__":
    run_tool(main)
