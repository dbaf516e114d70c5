"""Trains a config: ``python tools/train.py CONFIG``.

In the work directory (default ``work_dirs/<config name>``) it leaves ``epoch_N.pth``, ``best_<score>.pth``,
the config, ``run.json`` (command, environment, seed, git revision), ``curves.png`` and a log folder per run.
``--resume`` continues from the newest good checkpoint there, with its seed. A mistake in the config, the
annotations or the checkpoint ends with a message and status 2 before training begins, and leaves the work
directory as it was.
"""

from __future__ import annotations

import argparse

from posekit.engine.cli import add_training_options, run_tool, run_training, start_processes


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="a config file, e.g. configs/quickstart/people_mpii.py")
    parser.add_argument(
        "--amp", action="store_true", help="mixed precision: bfloat16, or float16 on old GPUs"
    )
    add_training_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    start_processes(args.launcher)
    # Imported late, so that --help answers at once.
    from posekit.engine.config import load_config, parse_options

    options = parse_options(args.cfg_options)
    run_training(args, load_config(args.config, options), options, args.amp)


if __name__ == "__main__":
    run_tool(main)
