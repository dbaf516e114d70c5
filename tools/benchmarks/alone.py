"""One piece of work in a process of its own, which prints the milliseconds it takes and its peak memory, MB.

python alone.py predictor|network|train-step TURNS CLOCK [keep] [busy] [stated]

``keep``: memory that is freed is kept. ``busy``: another process computes meanwhile. ``stated``: torch takes
as many threads as it does by itself; without it, as many as posekit finds the work worth.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from posekit.machine import STEP_IN_PASSES, core_count, keep_freed_memory, threads_for


def predictor() -> Callable[[], Any]:
    """One person in a photo, by the bundled model."""
    import numpy as np

    from posekit import Predictor

    predict = Predictor(detector=None, device="cpu", threads=core_count() if "stated" in sys.argv else None)
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    return lambda: predict(image, [[200, 60, 420, 440]])


def network() -> Callable[[], Any]:
    """HRNet-W32 on 8 crops of 256x192, as a test computes it."""
    import torch

    from posekit.models.backends import with_backend

    estimator = with_backend(_estimator("w32"), "folded", (256, 192))
    image = torch.randint(0, 256, (8, 3, 256, 192), dtype=torch.uint8)

    def work() -> None:
        with torch.inference_mode():
            estimator.outputs(estimator.normalise(image))

    return work


def train_step() -> Callable[[], Any]:
    """A step of quickstart's network with Adam: 8 crops of 96x96."""
    import torch
    from mmengine.optim import OptimWrapper

    from posekit.engine.configs.config import load_config
    from posekit.models.trial import macs_of
    from posekit.registry import MODELS
    from posekit.structures import blank_sample

    cfg = load_config("configs/quickstart/people_coco.py")
    loader = cfg.train_dataloader
    size_hw, count = loader["dataset"]["crop"]["input_size_hw"], loader["batch_size"]
    estimator = MODELS.build(cfg.model.to_dict()).train()
    if "stated" not in sys.argv:
        torch.set_num_threads(threads_for(STEP_IN_PASSES * count * (macs_of(estimator, size_hw) or 0)))
    image = torch.randint(0, 256, (count, 3, *size_hw), dtype=torch.uint8)
    sample = blank_sample(image, estimator.skeleton.num_keypoints)
    wrapper = OptimWrapper(torch.optim.Adam(estimator.parameters()))
    return lambda: estimator.train_step(sample, wrapper)


def _estimator(variant: str) -> Any:
    from posekit.codecs import MSRACodec
    from posekit.models import HeatmapHead, HRNet, MSELoss, PoseEstimator

    head = {"type": HeatmapHead, "codec": {"type": MSRACodec}, "loss": {"type": MSELoss}}
    return PoseEstimator({"type": HRNet, "variant": variant}, head, "coco17", flip_test=False)


def spin() -> None:
    """What a busy process does."""
    while True:
        pass


def main() -> None:
    name, turns, clock = sys.argv[1], int(sys.argv[2]), getattr(time, sys.argv[3])
    if "keep" in sys.argv:
        keep_freed_memory()
    work = {"predictor": predictor, "network": network, "train-step": train_step}[name]()
    other = multiprocessing.get_context("spawn").Process(target=spin, daemon=True)
    if "busy" in sys.argv:
        other.start()
    work()
    seconds = []
    for _ in range(turns):
        start = clock()
        work()
        seconds.append(clock() - start)
    if "busy" in sys.argv:
        other.kill()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(1e3 * statistics.median(seconds), peak)


if __name__ == "__main__":
    main()
