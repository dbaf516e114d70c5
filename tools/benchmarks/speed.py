"""Benchmarks of networks that predict: each backend against torch as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from posekit import Predictor
from posekit.codecs import MSRACodec
from posekit.datasets import COCO17
from posekit.errors import PosekitError
from posekit.models import HeatmapHead, HRNet, MSELoss, PoseEstimator
from posekit.models.backends import with_backend

from .common import INPUT_HW, Row, Settings, milliseconds

QUICK = ("folded", "onnx", "bf16")  # compiling takes minutes


def network(settings: Settings) -> list[Row]:
    """HRNet-W32 on 8 crops of 256x192, no flip test, by each backend that can be had here.

    With ``--fraction`` below 1 it is a smaller HRNet. bf16 gives other numbers, see the page on speed.

    Targets:
        folded: ratio <= 0.67
        onnx: ratio <= 0.67
        bf16: ratio <= 0.67
    """
    torch.manual_seed(0)
    head = {"type": HeatmapHead, "codec": {"type": MSRACodec}, "loss": {"type": MSELoss}}
    variant = "w32" if settings.fraction == 1 else "w8"
    eager = PoseEstimator({"type": HRNet, "variant": variant}, head, COCO17, flip_test=False).eval()
    image = torch.randint(0, 256, (settings.count(8), 3, *INPUT_HW), dtype=torch.uint8)

    def work_of(backend: str) -> Callable[[], Any]:
        estimator = with_backend(eager, backend, INPUT_HW)

        def work() -> None:
            with torch.inference_mode():
                estimator.outputs(estimator.normalise(image))

        return work

    return compared(settings, work_of, 1)


def bundled(settings: Settings) -> list[Row]:
    """One person in a photo of 640x480 by the bundled model as ``Predictor()`` takes it, by each backend.

    Targets:
        folded: <= 9 ms
        onnx: <= 9 ms
        bf16: <= 9 ms
    """
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)

    def work_of(backend: str) -> Callable[[], Any]:
        predict = Predictor(detector=None, device="cpu", backend=backend, threads=settings.threads)
        return lambda: predict(image, [[200, 60, 420, 440]])

    return compared(settings, work_of, settings.count(10))


def compared(settings: Settings, work_of: Callable[[str], Callable[[], Any]], number: int) -> list[Row]:
    """A row for each backend that can be had, against "eager"."""
    works = {"eager": work_of("eager")}
    for backend in QUICK:
        try:
            works[backend] = work_of(backend)
        except PosekitError as error:
            print(f"left out: {error}", file=sys.stderr)
    seconds = settings.in_turns(*(settings.timed(work, number) for work in works.values()))
    return [
        milliseconds(backend, (own, seconds[0]), "backend eager")
        for backend, own in zip(works, seconds, strict=True)
        if backend != "eager"
    ]
