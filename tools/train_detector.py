"""Trains a person detector: ``python tools/train_detector.py configs/detector/people_fasterrcnn.py``.

The config names a Faster R-CNN of torchvision, what it starts from and a COCO-format set of people; keypoints
are not needed. The work directory then holds what ``tools/train.py`` leaves, and ``best_AP.pth`` is what
``tools/detect.py --weights`` and ``PersonDetector(weights=...)`` take.
"""

from __future__ import annotations

import argparse

from posekit.engine.cli import add_common_options, run_tool, work_dir


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="a config file, e.g. configs/detector/people_fasterrcnn.py")
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        default=None,
        metavar="PATH",
        help="continue from PATH, or from the newest good checkpoint of the work directory",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="random seed (default: the config's)")
    add_common_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from posekit.detection.training import PersonFasterRCNN
    from posekit.engine.config import load_config, parse_options
    from posekit.engine.runner import PoseRunner
    from posekit.errors import ConfigError

    options = parse_options(args.cfg_options)
    cfg = load_config(args.config, options)
    if cfg.model.get("type") is not PersonFasterRCNN:
        raise ConfigError(
            f"config {args.config}: model.type: expected PersonFasterRCNN, found {cfg.model.get('type')}; "
            "pose networks are trained by tools/train.py"
        )
    if cfg.get("train_cfg") is None:
        raise ConfigError(f"config {args.config}: there is nothing to train, 'train_cfg' is missing")
    cfg.work_dir = work_dir(args.work_dir, cfg.get("work_dir"), args.config)
    cfg.launcher = args.launcher
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume is True else args.resume
    seed = args.seed if args.seed is not None else options.get("randomness.seed")
    PoseRunner.from_cfg(cfg, seed).train()


if __name__ == "__main__":
    run_tool(main)
