"""How other files are read and used: checkpoints, pictures, videos, options, the records of a sweep."""

from __future__ import annotations

import contextlib
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from . import samples


def checkpoint(path: Path) -> Any:
    from posekit.engine.checkpoints.files import to_plain
    from posekit.io.checkpoint import read_checkpoint, weights_of

    content = read_checkpoint(path)
    repr(content)
    with contextlib.suppress(TypeError):  # of a stand-in for something that was not read
        to_plain(content)
    weights_of(content, path)


def weights(path: Path) -> Any:
    """As a model or a config's ``load_from`` takes a checkpoint."""
    from posekit.models.released import load_into

    load_into(small_network(), path)


@lru_cache(maxsize=1)
def small_network() -> Any:
    from posekit.inference.bundle import build_estimator

    return build_estimator(samples.CARD["model"])


def resume(folder: Path) -> Any:
    """What ``--resume`` finds in a work directory."""
    from posekit.engine.checkpoints.resume import find_checkpoint

    found = find_checkpoint(folder / "run")
    assert found is not None
    assert found.seed is None or isinstance(found.seed, int)


def bundle(path: Path) -> Any:
    from posekit.inference.bundle import read_bundle

    weights = path.with_suffix(".safetensors")
    if not weights.exists():
        weights.write_bytes(samples.bundle_weights())
    read_bundle(weights)


def image(path: Path) -> Any:
    from posekit.io.images import read_image
    from posekit.io.stored_sizes import image_size_hw

    size = image_size_hw(path)
    image = read_image(path)
    assert (image.shape[2], image.dtype) == (3, np.uint8), (size, image.shape)
    read_image(path, orientation="apply")


def video(path: Path) -> Any:
    from posekit.io.video import VideoReader

    for number, frame in enumerate(VideoReader(path)):
        assert frame.ndim == 3
        if number > 100:
            break


OPTIONS = [
    b"train_dataloader.batch_size=4",
    b"model.head.loss.type=FocalMSELoss",
    b"data_root=/data",
    b"param_scheduler.0.total_steps=16",
    b"model.test_scales=[1.0,0.75]",
    b"optim_wrapper.optimizer.lr=1e-3",
    b"model.backbone=dict(type='Hourglass')",
    b"train_cfg.max_epochs=3",
    b"skeleton=coco17",
    b"model.flip_test=False",
    b"randomness={'seed': 3, 'deterministic': (1, [2])}",
    b"train_dataloader.dataset.source.ann_file='a.json'",
    b"default_hooks.logger.interval=5",
    b"randomness.seed=3",
    b"model.type=posekit.models.PoseEstimator",
]


def options(path: Path) -> Any:
    from posekit.engine.configs.config import load_config, parse_options
    from posekit.errors import ConfigError

    root = Path(__file__).resolve().parents[2]
    words = path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    try:
        load_config(root / "configs/checks/overfit_coco_hourglass_s2.py", parse_options(words))
    except ConfigError as error:
        # There is no file to be named: the words stand on the command line.
        raise ConfigError(f"{path.name}: {error}") from error


CELL = "sweep/cells/focal_g1_d0.001_s0"


def write_sweep(folder: Path) -> None:
    sweep = samples.sweep()
    for place, content in sweep.items():
        (folder / "sweep" / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / "sweep" / place).write_bytes(content)


def sweep(folder: Path) -> Any:
    """The folder as the report, the figures and a sweep that goes on read it."""
    from posekit.study.live import rows, table
    from posekit.study.plan import read_plan
    from posekit.study.record import foreground, read_cell, validations
    from posekit.study.sweep_figures import final_scores, foreground_of, read_sweep, val_curves
    from posekit.study.table import read_table, rows_as_dicts

    out = folder / "sweep"
    found = read_table(out)
    rows_as_dicts(found)
    cells = read_sweep(out, [])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a mean over nothing
        for name in ("PCK@0.2/mean12", "AP"):
            val_curves(cells, name), final_scores(cells, name, True), final_scores(cells, name, False)
        foreground_of(cells)
    names = [row.cell.name for row in found.rows]
    for name in names:
        validations(out / "cells" / name), foreground(out / "cells" / name)
    plan = read_plan(out)
    assert plan is not None
    table(rows(plan, [row.cell for row in found.rows], {name: read_cell(out, name) for name in names}))


def progress(folder: Path) -> Any:
    """A damaged one must not be taken for an empty one."""
    from posekit.study.record import Progress

    progress = Progress(folder / CELL)
    progress.start("test")
    progress.stop("test", 1.0, done=True)


def errors(path: Path) -> Any:
    from posekit.metrics.errors import read_errors

    errors = read_errors(path).by_person()
    with np.errstate(all="ignore"):
        errors.right()


def write_work(folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "epoch_1.pth").write_bytes(samples.checkpoint(True))
