"""Measures posekit's speed and memory against a floor, or a bare reference, in the same run.

    python tools/benchmark.py [NAME ...] [--images DIR --annotations JSON] [--repeats 15] [--threads 1]
        [--network hourglass|hrnet_w32] [--fraction 1] [--json OUT]
    python tools/benchmark.py --compare A.json B.json  # two reports, by their ratios
    python tools/benchmark.py walk      # no timing: the files that one image enters on its way to AP
    python tools/benchmark.py gpu [--device cuda|cpu] [--minutes 8]    # a card: images/s, memory, feeding

Without a name, or with "all", all benchmarks run; a name may be the beginning of several (``train``).
posekit and the reference are measured in turns (A B A B ...), and each number is the median of its turns:
absolute numbers drift with whatever else the machine does, the ratio (posekit / reference) much less. With
one thread the clock is the process's CPU time, with more it is the wall's. A measurement ends after about
10 s even if turns are left.

Pictures are synthetic 640x480 JPEGs in a temporary folder unless your own COCO files are named. The
targets are those in the docstrings of ``tools/benchmarks/``; they are judged at the full sizes only
(``--fraction 1``).
Exit status 2: the input is at fault; a missed target is reported, not an error.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works from a checkout, installed or not

import cv2
import torch
from benchmarks import BENCHMARKS
from benchmarks.common import Settings
from benchmarks.gpu import describe_card, measure_card
from benchmarks.report import compare, conditions, describe, judge, summary, table
from benchmarks.step import NETWORKS
from benchmarks.walk import tell, walk

from posekit.errors import ConfigError, DataError, PosekitError
from posekit.io.files import read_json, write_json


def choose(names: Sequence[str]) -> list[str]:
    """The benchmarks of these names, or whose names begin with them; all for none.

    Raises:
        ConfigError: On a name that fits none.
    """
    names = [] if "all" in names else names
    for name in names:
        if not any(known.startswith(name) for known in BENCHMARKS):
            raise ConfigError(f"benchmark: expected some of {list(BENCHMARKS)}, found {name!r}")
    return [known for known in BENCHMARKS if not names or known.startswith(tuple(names))]


def run(names: Sequence[str], settings: Settings) -> dict[str, Any]:
    """Runs benchmarks and returns the report."""
    torch.set_num_threads(settings.threads)
    cv2.setNumThreads(settings.threads)
    report = {**conditions(settings), "rows": []}
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        report["rows"] += [judge(name, row, settings.fraction == 1) for row in BENCHMARKS[name](settings)]
    return report


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--images", help="folder of your own images, with --annotations")
    parser.add_argument("--annotations", help="their COCO keypoint json")
    parser.add_argument("--repeats", type=int, default=15, help="turns of each measurement (15)")
    parser.add_argument("--threads", type=int, default=1, help="of torch and OpenCV (1)")
    parser.add_argument("--network", choices=sorted(NETWORKS), default="hourglass", help="of train-step")
    parser.add_argument("--fraction", type=float, default=1.0, help="of the stated sizes, for a quick look")
    parser.add_argument("--device", help="of gpu: cuda, cuda:1 or cpu (the first GPU)")
    parser.add_argument("--minutes", type=float, default=8.0, help="of gpu: no part begins after them (8)")
    parser.add_argument("--json", help="file for the report")
    parser.add_argument("--compare", nargs=2, metavar=("A", "B"), help="two such files, and measure nothing")
    return parser.parse_args(argv)


def settings_from(args: argparse.Namespace, folder: str) -> Settings:
    """The command line's settings.

    Raises:
        ConfigError: On a number out of range, or images without annotations.
    """
    if min(args.repeats, args.threads) < 1 or not 0 < args.fraction <= 1:
        raise ConfigError("benchmark: expected --repeats and --threads of at least 1, --fraction in (0, 1]")
    if bool(args.images) != bool(args.annotations):
        raise ConfigError("benchmark: --images and --annotations belong together")
    own = ("names", "json", "device", "minutes", "compare")
    given = {name: value for name, value in vars(args).items() if name not in own}
    return Settings(folder=Path(folder), **given)


def card(args: argparse.Namespace) -> int:
    """Measures one GPU, or a CPU as if it were one.

    Raises:
        ConfigError: If there is no such device, or further benchmarks are named.
    """
    if args.names != ["gpu"]:
        raise ConfigError("benchmark: gpu runs alone; name nothing beside it")
    device = args.device or "cuda"
    if device != "cpu" and not torch.cuda.is_available():
        raise ConfigError(
            "benchmark: torch sees no GPU; --device cpu --fraction 0.02 tries the same measurements in small"
        )
    with tempfile.TemporaryDirectory() as folder:
        report = measure_card(settings_from(args, folder), device, args.minutes)
    print(describe_card(report))
    if args.json:
        write_json(args.json, report)
    return 0


def is_row(row: Any) -> bool:
    """Whether a report's row has what is compared."""
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(name), str) for name in ("benchmark", "what", "unit"))
        and isinstance(row.get("posekit"), (int, float))
        and isinstance(row.get("ratio"), (int, float, type(None)))
    )


def read_report(path: str) -> dict[str, Any]:
    """A report that ``--json`` wrote.

    Raises:
        DataError: If it is none.
    """
    report = read_json(path)
    rows = report.get("rows") if isinstance(report, dict) else None
    if not isinstance(rows, list) or not all(map(is_row, rows)):
        raise DataError(f"{path}: expected a report of tools/benchmark.py --json, with 'rows'")
    return report


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    if args.names == ["walk"] and not args.compare:
        with tempfile.TemporaryDirectory() as folder:
            print(tell(walk(Path(folder))))
        return 0
    try:
        if args.compare:
            if args.names:
                raise ConfigError(f"benchmark: --compare measures nothing; found {args.names} beside it")
            print(compare(*map(read_report, args.compare)))
            return 0
        if "gpu" in args.names:
            return card(args)
        with tempfile.TemporaryDirectory() as folder:
            report = run(choose(args.names), settings_from(args, folder))
    except PosekitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{describe(report)}\n\n{table(report['rows'])}\n\n{summary(report['rows'])}")
    if args.json:
        write_json(args.json, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
