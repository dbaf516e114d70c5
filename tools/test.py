"""Scores a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``.

Prints the score table with the boxes, codec, flip test and evaluator it was made with, and writes it into the
work directory as ``table.txt`` and ``metrics.json``, beside the predictions (``results.json``; for MPII also
``pred.mat``).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from posekit.engine.cli import add_common_options, run_tool, work_dir


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="a config file")
    parser.add_argument("checkpoint", help="a checkpoint that posekit wrote")
    parser.add_argument("--no-flip", action="store_true", help="do not average with the mirror image")
    add_common_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from mmengine.dist import is_main_process

    from posekit.engine.config import load_config, parse_options
    from posekit.engine.report import protocol, protocol_text, write_metrics
    from posekit.engine.runner import PoseRunner
    from posekit.errors import ConfigError
    from posekit.files import write_text
    from posekit.metrics.tables import score_table

    cfg = load_config(args.config, parse_options(args.cfg_options))
    if cfg.get("test_cfg") is None:
        raise ConfigError(f"config {args.config}: there is nothing to test, 'test_dataloader' is missing")
    cfg.work_dir = work_dir(args.work_dir, cfg.get("work_dir"), args.config)
    cfg.launcher = args.launcher
    cfg.load_from, cfg.resume = args.checkpoint, False
    if args.no_flip:
        cfg.model.flip_test = False
    cfg.test_evaluator = with_writer(cfg.test_evaluator, cfg.work_dir)

    runner = PoseRunner.from_cfg(cfg)
    scores = runner.test()
    if is_main_process():
        how = protocol(runner)
        write_metrics(Path(cfg.work_dir) / "metrics.json", scores, how, args.checkpoint, args.config)
        table = f"{score_table(scores)}\n\n{protocol_text(how)}"
        write_text(Path(cfg.work_dir) / "table.txt", table)
        print(f"\n{table}  written to {cfg.work_dir}")


def with_writer(evaluator: Any, out_dir: str) -> list[Any]:
    """Adds the writer of predictions to a config's evaluators, unless it has one."""
    from posekit.metrics.evaluators import OKSMetric, PredictionWriter

    evaluators = list(evaluator) if isinstance(evaluator, (list, tuple)) else [evaluator]
    if any(part.get("type") is PredictionWriter for part in evaluators):
        return evaluators
    # The file must hold what was scored: the same rescoring, the same suppression.
    oks: dict[str, Any] = next((part for part in evaluators if part.get("type") is OKSMetric), {})
    settings = {key: oks[key] for key in ("rescore_threshold", "nms_threshold") if key in oks}
    return [*evaluators, {"type": PredictionWriter, "out_dir": out_dir, **settings}]


if __name__ == "__main__":
    run_tool(main)
