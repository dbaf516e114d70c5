"""What is wrong with a data set, before hours are spent on it.

    python tools/check_dataset.py CONFIG                      the people that a config trains and tests on
    python tools/check_dataset.py ANN.json --images DIR       a COCO-form file as it is written
    python tools/check_dataset.py train.json val.json         ... what others have in common with the first
    python tools/check_dataset.py CONFIG --checkpoint PATH    ... where a model sees it otherwise
    python tools/check_dataset.py ANN.json --fix MENDED.json  a copy without what can surely be mended

Looks for left/right names without flip pairs and pairs that do not mirror; boxes in another form, of no
size, without their joints; coordinates that are fractions, exchanged, beyond the picture or counted from 1;
repeated ids and people; pictures that cannot be read, or are turned or of another size; validation people
who are training people; joints never labelled or far off; left and right exchanged in some of the records.
For each it says how many have it, what it means and what to do; --sheet draws the worst.

Exit status: 0 nothing found, 1 findings, 2 cannot be read. An input is never overwritten.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit.engine.cli import add_cfg_options, only_json_on_stdout, run_tool

if TYPE_CHECKING:
    from posekit.doctor import Part

FOUND = 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", metavar="CONFIG|ANN.json", help="a config, or annotation files")
    parser.add_argument("--images", nargs="+", default=[], metavar="DIR", help="folder of the images")
    parser.add_argument("--fix", metavar="OUT", help="write a mended copy (of several files: a new folder)")
    parser.add_argument("--sheet", metavar="OUT.png", help="draw the worst of each finding")
    parser.add_argument("--json", action="store_true", help="print findings as JSON")
    parser.add_argument("--checkpoint", metavar="PATH", help="compare labels with this model's predictions")
    parser.add_argument("--no-decode", action="store_true", help="read the pictures' headers alone: quicker")
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from posekit.doctor import examine
    from posekit.doctor.sources import with_pictures
    from posekit.doctor.words import as_json, report

    with only_json_on_stdout(args.json):
        parts = [with_pictures(part, decode=not args.no_decode) for part in read_parts(args)]
        findings = examine(parts)
    print(json.dumps(as_json(findings, parts), indent=2) if args.json else report(findings, parts))
    if args.sheet:
        write_sheet(args.sheet, findings, parts)
    if args.fix:
        write_fixed(args.fix, parts, findings)
    return FOUND if findings else 0


def read_parts(args: argparse.Namespace) -> list[Part]:
    """What is to be examined, with a model's predictions if one is stated."""
    from posekit.doctor.sources import parts_of_config, parts_of_files
    from posekit.engine.configs.config import load_config, parse_options
    from posekit.errors import ConfigError

    if args.files[0].endswith(".py"):
        if len(args.files) > 1 or args.images:
            raise ConfigError("a config names its own files; state it alone, without --images")
        cfg = load_config(args.files[0], parse_options(args.cfg_options))
        parts = parts_of_config(cfg)
        return with_predictions(cfg, args, parts) if args.checkpoint else parts
    if args.checkpoint or args.cfg_options:
        raise ConfigError("--checkpoint and --cfg-options go with a config, which says what network it is")
    return parts_of_files(args.files, args.images)


def with_predictions(cfg: Any, args: argparse.Namespace, parts: Sequence[Part]) -> list[Part]:
    """The parts with what the config's network makes of their people."""
    from posekit.doctor.sources import with_poses
    from posekit.inference.predictions import load_network, predict_people

    with redirect_stdout(sys.stderr):
        model = load_network(cfg, args.files[0], args.checkpoint)
    return [
        with_poses(part, lambda people: predict_people(model, people, cfg.train_dataloader)) for part in parts
    ]


def write_sheet(path: str, findings: Any, parts: Sequence[Part]) -> None:
    from posekit.doctor.sheet import finding_sheet
    from posekit.visualization import save_image

    sheet = finding_sheet(findings, parts)
    if sheet is None:
        tell("--sheet: there is nothing to draw")
    else:
        tell(f"examples: {save_image(path, sheet)}")


def write_fixed(out: str, parts: Sequence[Part], findings: Any) -> None:
    from posekit.doctor.mend import mended_copies

    for line in mended_copies(parts, Path(out), findings):
        tell(line)


def tell(line: str) -> None:
    """Beside the findings: standard output may be JSON."""
    print(line, file=sys.stderr)


if __name__ == "__main__":
    run_tool(main)
