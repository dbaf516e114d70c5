"""Trains a config: ``python tools/train.py CONFIG``.

In the work directory (default ``work_dirs/<config name>``) it leaves ``epoch_N.pth``, ``best_<score>.pth``,
the config, ``run.json`` (command, environment, seed, git revision), ``curves.png`` and a log folder per run.
``--resume`` continues from the newest good checkpoint there, with its seed. A mistake in the config, the
annotations or the checkpoint ends with a message and status 2 before training begins, and leaves the work
directory as it was.
"""

from __future__ import annotations

import argparse

from posekit.engine.cli import add_common_options, run_tool, work_dir


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="a config file, e.g. configs/quickstart/people_mpii.py")
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        default=None,
        metavar="PATH",
        help="continue from PATH, or from the newest good checkpoint of the work directory",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="random seed (default: that of what is resumed, else the config's)",
    )
    parser.add_argument(
        "--amp", action="store_true", help="mixed precision: bfloat16, or float16 on old GPUs"
    )
    add_common_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from posekit.engine.config import load_config, parse_options
    from posekit.engine.optim import MixedPrecisionOptimWrapper
    from posekit.engine.runner import PoseRunner
    from posekit.errors import ConfigError

    options = parse_options(args.cfg_options)
    cfg = load_config(args.config, options)
    if cfg.get("train_cfg") is None:
        raise ConfigError(f"config {args.config}: there is nothing to train, 'train_cfg' is missing")
    cfg.work_dir = work_dir(args.work_dir, cfg.get("work_dir"), args.config)
    cfg.launcher = args.launcher
    if args.amp:
        cfg.optim_wrapper.type = MixedPrecisionOptimWrapper
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume is True else args.resume
    seed = args.seed if args.seed is not None else options.get("randomness.seed")
    PoseRunner.from_cfg(cfg, seed).train()


if __name__ == "__main__":
    run_tool(main)
