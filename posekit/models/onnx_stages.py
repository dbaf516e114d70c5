"""A network's last stage by ONNX Runtime, written and opened in memory."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from io import BytesIO
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from posekit.errors import CheckpointError, ConfigError
from posekit.io.onnx_files import open_session, write_onnx
from posekit.machine import threads_for
from posekit.models.estimator import PoseEstimator
from posekit.models.trial import LastStage, flat, like, macs_of, noise

_WRITING = Lock()  # torch writes one network at a time, in the whole process


class OnnxStages:
    """A network's last stage by ONNX Runtime, in memory; one session for each size of input.

    Args:
        estimator: Folded.
        size_hw: Of the input that comes first.

    Raises:
        CheckpointError: If ONNX Runtime, or what writes its files, is not installed.
        ConfigError: If it cannot be had on the network's device, or the network cannot be written for it.
    """

    def __init__(self, estimator: PoseEstimator, size_hw: tuple[int, int]) -> None:
        self.estimator = estimator
        self._sessions: dict[tuple[int, int], tuple[Any, Any]] = {}
        self(noise(estimator, size_hw))

    def __deepcopy__(self, memo: dict[int, Any]) -> OnnxStages:
        """A session cannot be copied; it holds nothing that changes."""
        return self

    def __call__(self, image: Tensor) -> list[Any]:
        """A normalised batch (B, C, H, W) to a list of the last stage's outputs, on its device."""
        size = (int(image.shape[2]), int(image.shape[3]))
        with _WRITING if size not in self._sessions else nullcontext():
            if size not in self._sessions:
                self._sessions[size] = self._open(size)
        session, form = self._sessions[size]
        found = session.run(None, {"images": image.detach().cpu().contiguous().numpy()})
        return [like(form, [torch.from_numpy(values).to(image.device) for values in found])]

    def _open(self, size_hw: tuple[int, int]) -> tuple[Any, Any]:
        estimator, file = self.estimator, BytesIO()
        # Its layout is its own, and of another one the file would speak at every step.
        plain = copy.deepcopy(estimator).cpu().to(memory_format=torch.contiguous_format)
        plain.memory_format = torch.contiguous_format
        with torch.no_grad():
            example = noise(plain, size_hw, crops=2)
            form = plain.stages(example)[-1]
            try:
                write_onnx(LastStage(plain), example, file, [f"output_{i}" for i in range(len(flat(form)))])
            except CheckpointError:  # a package that is missing
                raise
            except RuntimeError as error:
                words = str(error).strip().partition("\n")[0]
                raise ConfigError(f"backend onnx: torch cannot write the network: {words}") from error
        # Its threads are its own, too: as many as one crop and its mirror image are worth.
        count = threads_for(2 * (macs_of(plain, size_hw) or float("inf")))
        device = estimator.mean.device
        session = open_session(file.getvalue(), device, "backend onnx", count)
        if device.type == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
            raise ConfigError(
                f"backend onnx: the ONNX Runtime that is installed cannot use {device}; install "
                "onnxruntime-gpu, or use the CPU"
            )
        return session, form
