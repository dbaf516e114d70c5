"""``python -m posekit.synthetic --out DIR``: writes the embedded data set."""

from __future__ import annotations

import argparse
import sys

from posekit.errors import PosekitError
from posekit.synthetic.writer import write_synthetic_people


def main(arguments: list[str] | None = None) -> int:
    """Reads the command line and writes the set; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m posekit.synthetic", description=__doc__)
    parser.add_argument("--out", required=True, help="folder of the data set")
    parser.add_argument("--train", type=int, default=2400, help="training images (default %(default)s)")
    parser.add_argument("--val", type=int, default=400, help="validation images (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="processes (default %(default)s)")
    parser.add_argument(
        "--people", type=int, metavar="N", help="larger pictures of 1 to N people (default: mostly one)"
    )
    options = parser.parse_args(arguments)
    try:
        out = write_synthetic_people(
            options.out,
            options.train,
            options.val,
            options.seed,
            options.workers,
            most_people=options.people,
        )
    except PosekitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"rendered people: {options.train} training and {options.val} validation images in {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
