"""The benchmarks by name, in the order in which they run; ``tools/benchmark.py`` is their command line.

A benchmark takes the settings and returns its rows. Its docstring states a target for each row.
"""

from __future__ import annotations

from collections.abc import Callable

from . import arrays, crops, faces, inference, loading, machine, metrics, process, samples, speed, step
from .common import Row, Settings

BENCHMARKS: dict[str, Callable[[Settings], list[Row]]] = {
    "train-sample": samples.train_sample,
    "train-sample-memory": samples.train_sample_memory,
    "train-sample-pixels": samples.train_sample_pixels,
    "test-sample": samples.test_sample,
    "crop-sample": crops.crop_sample,
    "targets": arrays.targets,
    "decode": arrays.decode,
    "decode-simcc": arrays.decode_simcc,
    "coco-metric": metrics.coco_metric,
    "pckh": metrics.pckh_metric,
    "import": process.import_time,
    "command": process.command_time,
    "table-memory": process.table_memory,
    "coco-load": loading.coco_load,
    "predictor": inference.predictor,
    "bundled": speed.bundled,
    "network": speed.network,
    "kept-memory": machine.kept_memory,
    "busy-machine": machine.busy_machine,
    "train-step": step.train_step,
    "rle-step": step.rle_step,
    "face-metric": faces.face_metric,
    "face-step": faces.face_step,
}
