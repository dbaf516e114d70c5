"""``python -m posekit.models.zoo [PAGE.md]``: prints the zoo, or renews its table in a Markdown file."""

from __future__ import annotations

import argparse
import sys

from posekit.errors import PosekitError


def main() -> None:
    """Reads the command line and does what it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("markdown", nargs="?", help="a file with the markers of the table")
    args = parser.parse_args()
    from posekit.models.zoo.tables import update_markdown, zoo_details

    if args.markdown:
        update_markdown(args.markdown)
    else:
        print(zoo_details())


if __name__ == "__main__":
    try:
        main()
        sys.exit(0)
    except PosekitError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
