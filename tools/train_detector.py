"""Trains a person detector: ``python tools/train_detector.py configs/detector/people_fasterrcnn.py``.

The config names a Faster R-CNN of torchvision or a ``CentreDetector``, what it starts from and COCO-format
sets of people; keypoints are not needed. The work directory then holds what ``tools/train.py`` leaves; its
best checkpoint is what ``tools/detect.py --weights`` and ``Predictor(detector=...)`` take.
"""

from __future__ import annotations

import argparse

from posekit.engine.cli import add_training_options, run_tool, run_training, start_processes


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="a config file, e.g. configs/detector/people_fasterrcnn.py")
    add_training_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    start_processes(args.launcher)
    # Imported late, so that --help answers at once.
    from posekit.detection.finder import CentreDetector
    from posekit.detection.training import PersonFasterRCNN
    from posekit.engine.configs.config import load_config, parse_options
    from posekit.errors import ConfigError

    options = parse_options(args.cfg_options)
    cfg = load_config(args.config, options)
    if cfg.model.get("type") not in (PersonFasterRCNN, CentreDetector):
        raise ConfigError(
            f"config {args.config}: model.type: expected PersonFasterRCNN or CentreDetector, found "
            f"{cfg.model.get('type')}; pose networks are trained by tools/train.py"
        )
    run_training(args, cfg, options)


if __name__ == "__main__":
    run_tool(main)
