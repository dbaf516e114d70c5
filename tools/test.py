"""Scores weights: ``python tools/test.py CONFIG CHECKPOINT`` or ``python tools/test.py --zoo NAME``.

CHECKPOINT is posekit's own or of any released form: HRNet, SimpleBaseline, pytorch-pose, MMPose; without one
the config's ``load_from`` is scored. ``--zoo`` takes config, protocol and weights from the model zoo
(``--list-zoo``) and sets the published score beside the one obtained; ``--zoo NAME --checkpoint PATH`` scores
other weights in the row's way, ``CONFIG --zoo NAME`` the row's network on the config's data.

Prints the score table with the boxes, codec, flip test and evaluator it was made with, and writes it into the
work directory as ``table.txt`` and ``metrics.json``, beside the predictions (``results.json``; for MPII also
``pred.mat``; of an embedding ``embeddings.npz``) and what became of each person's joints (``errors.npz``,
:mod:`posekit.metrics.errors`).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit.engine.cli import add_common_options, only_json_on_stdout, run_tool, start_processes, work_dir

if TYPE_CHECKING:
    from posekit.models.zoo import ZooRow

ROOT = Path(__file__).resolve().parents[1]
METRICS = "metrics.json"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", help="a config file")
    parser.add_argument(
        "weights", nargs="?", metavar="CHECKPOINT", help="a checkpoint of any known form, or an .onnx file"
    )
    parser.add_argument("--zoo", metavar="NAME", help="a row of the model zoo")
    parser.add_argument("--checkpoint", metavar="PATH", help="the weights, with --zoo in place of the row's")
    parser.add_argument("--list-zoo", action="store_true", help="print the model zoo")
    parser.add_argument("--no-flip", action="store_true", help="do not average with the mirror image")
    words = "print what metrics.json holds, and nothing else, on stdout"
    parser.add_argument("--json", action="store_true", help=words)
    words = "what computes the network: eager, folded (default), bf16, compile or onnx"
    parser.add_argument("--backend", metavar="B", help=words)
    add_common_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    if args.list_zoo:
        from posekit.models.zoo.tables import zoo_table

        print(zoo_table())
        return
    with only_json_on_stdout(args.json) as stdout:
        start_processes(args.launcher)
        config, checkpoint, row = what_to_test(args)
        metrics = score(args, config, checkpoint, row)
        if args.json and metrics is not None:
            print(metrics.read_text("utf-8"), end="", file=stdout)


def what_to_test(args: argparse.Namespace) -> tuple[str, str | None, ZooRow | None]:
    """The config, the weights' file (obtained if need be; None: the config's own) and the zoo's row, if any.

    Raises:
        ConfigError: If the command line says too little, or one thing twice.
        CheckpointError: If the row's weights cannot be had.
    """
    from posekit.errors import ConfigError

    if args.weights is not None and (args.checkpoint is not None or args.zoo is not None):
        other = f"--checkpoint {args.checkpoint}" if args.checkpoint else f"--zoo {args.zoo}"
        raise ConfigError(f"the weights are stated twice: {args.weights} and {other}")
    if args.zoo is None:
        if args.config is None:
            raise ConfigError(
                "nothing to test: state CONFIG CHECKPOINT, or --zoo NAME (--list-zoo shows them)"
            )
        return args.config, args.weights or args.checkpoint, None
    if args.config is not None and not args.config.endswith(".py"):
        raise ConfigError(
            f"--zoo {args.zoo}: {args.config} beside it is no config (.py); for other weights write "
            f"--checkpoint {args.config}"
        )
    from posekit.models.zoo import find_row, obtain_weights
    from posekit.parallel import on_main

    row = find_row(args.zoo)
    if args.checkpoint is None:
        on_main(lambda: str(obtain_weights(row)))  # downloads; the others, if on one disk, find it there
    return args.config or str(ROOT / row.config), args.checkpoint or str(obtain_weights(row)), row


def options_of(row: ZooRow | None, own_config: bool) -> dict[str, Any]:
    """What a row says of its config; of another config it replaces the network too."""
    if row is None:
        return {}
    return dict(row.options) if own_config else {**row.options, "model.backbone": dict(row.backbone)}


def score(args: argparse.Namespace, config: str, checkpoint: str | None, row: ZooRow | None) -> Path | None:
    """Tests, prints and writes; returns the file of the scores, in the process that wrote it."""
    # Imported late, so that --help answers at once.
    from mmengine.dist import is_main_process

    from posekit.engine.runner import ScoringRunner

    published = row if args.config is None else None  # its score is one on the data of its own config
    cfg = config_of_test(args, config, checkpoint, row)
    runner = ScoringRunner.from_cfg(cfg)
    scores = runner.test()
    if not is_main_process():
        return None
    table = report(runner, scores, cfg, config, published)
    print(f"{table}  written to {cfg.work_dir}")
    return Path(cfg.work_dir) / METRICS


def config_of_test(args: argparse.Namespace, config: str, checkpoint: str | None, row: ZooRow | None) -> Any:
    """The config with the row's, then the command line's changes, and with the weights to be loaded."""
    from posekit.engine.configs.config import load_config, parse_options
    from posekit.errors import ConfigError

    options = {**options_of(row, args.config is None), **parse_options(args.cfg_options)}
    cfg = load_config(config, options)
    if cfg.get("test_cfg") is None:
        raise ConfigError(f"config {config}: there is nothing to test, 'test_dataloader' is missing")
    cfg.load_from, cfg.resume = checkpoint or cfg.get("load_from"), False
    if str(cfg.load_from).endswith(".onnx"):
        from posekit.inference.exported import put_into_config

        put_into_config(cfg, Path(cfg.load_from), config, args.no_flip)
    elif cfg.load_from is None:
        raise ConfigError(
            f"CHECKPOINT is missing: expected a file after the config {config}, or its 'load_from'"
        )
    cfg.work_dir = work_dir(args.work_dir, cfg.get("work_dir"), row.name if row else config)
    cfg.launcher = args.launcher
    cfg.backend = args.backend or cfg.get("backend") or "folded"
    if args.no_flip:
        cfg.model.flip_test = False
    dataset = cfg.test_dataloader.get("dataset") or {}
    cfg.test_evaluator = with_writer(cfg.test_evaluator, cfg.work_dir, dataset.get("datasets"))
    return cfg


def report(runner: Any, scores: Any, cfg: Any, config: str, published: ZooRow | None) -> str:
    """Writes ``metrics.json`` and ``table.txt``; returns the table."""
    from posekit.engine.report import protocol, protocol_text, write_metrics
    from posekit.io.files import write_text
    from posekit.metrics.tables import score_table
    from posekit.models.zoo.tables import comparison

    loaded = runner.load_report
    # An exported file is the network itself; nothing was loaded into one.
    source = cfg.load_from or cfg.model["backbone"]["path"]
    how = {**protocol(runner), "checkpoint_form": "onnx" if loaded is None else loaded.form}
    weights = f"  weights:   {source} ({loaded or 'through ONNX Runtime'})\n"
    table = f"{score_table(scores)}\n\n{protocol_text(how)}{weights}"
    if published:
        table += f"\n{comparison(published, scores, how)}\n"
        expected = {"expected": dict(published.expected), "source": published.expected_source}
        how["zoo"] = {"name": published.name, **expected}
    write_metrics(Path(cfg.work_dir) / METRICS, scores, how, source, config)
    write_text(Path(cfg.work_dir) / "table.txt", table)
    return table


def with_writer(evaluator: Any, out_dir: str, sets: Any = None) -> list[Any]:
    """Adds the writer of predictions to a config's evaluators, unless it has one.

    ``sets`` are the data sets that are scored each by itself, if so: each has a folder of its own.
    """
    from posekit.metrics.evaluators import OKSMetric, OnEachSet, PredictionWriter

    evaluators = list(evaluator) if isinstance(evaluator, (list, tuple)) else [evaluator]
    first = next((n for n, part in enumerate(evaluators) if part.get("type") is OnEachSet), None)
    if isinstance(sets, Mapping) and first is not None:
        stated = evaluators[first]["metrics"]
        named = (
            stated if isinstance(stated, Mapping) and "type" not in stated else dict.fromkeys(sets, stated)
        )
        metrics = {name: with_writer(one, str(Path(out_dir) / name)) for name, one in named.items()}
        evaluators[first] = {**evaluators[first], "metrics": metrics}
        return evaluators
    if evaluators and not any(getattr(part.get("type"), "of_keypoints", True) for part in evaluators):
        return [{"embeddings_file": str(Path(out_dir) / "embeddings.npz"), **evaluators[0]}, *evaluators[1:]]
    evaluators = with_errors(evaluators, out_dir)
    if any(part.get("type") is PredictionWriter for part in evaluators):
        return evaluators
    # The file must hold what was scored: the same rescoring, the same suppression.
    oks: dict[str, Any] = next((part for part in evaluators if is_a(part.get("type"), OKSMetric)), {})
    shared = ("rescore_threshold", "nms_threshold", "nms", "max_per_image")
    settings = {key: oks[key] for key in shared if key in oks}
    return [*evaluators, {"type": PredictionWriter, "out_dir": out_dir, **settings}]


def with_errors(evaluators: list[Any], out_dir: str) -> list[Any]:
    """Lets the first evaluator of joints write them one by one, for comparisons (posekit.metrics.errors)."""
    from posekit.metrics.errors import FILE_NAME
    from posekit.metrics.evaluators import NMEMetric, OKSMetric, PCKhMetric, PCKMetric

    kinds = (PCKMetric, PCKhMetric, OKSMetric, NMEMetric)
    scoring = [n for n, part in enumerate(evaluators) if any(is_a(part.get("type"), k) for k in kinds)]
    if scoring and "errors_file" not in evaluators[scoring[0]]:
        evaluators[scoring[0]] = {**evaluators[scoring[0]], "errors_file": str(Path(out_dir) / FILE_NAME)}
    return evaluators


def is_a(kind: Any, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


if __name__ == "__main__":
    run_tool(main)
