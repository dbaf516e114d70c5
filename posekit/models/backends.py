"""What computes a network when it predicts: torch as it is, folded, in bfloat16, compiled, or ONNX Runtime.

All but bfloat16 give the same outputs to 1e-4 of the largest, which is looked at before one is used.
"""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.models.estimator import PoseEstimator
from posekit.models.folding import folded, same
from posekit.models.fusing import fused
from posekit.models.onnx_backbone import OnnxNetwork
from posekit.models.onnx_stages import OnnxStages
from posekit.models.trial import all_stages, flat, like, noise, of_some_size, outputs

EAGER, FOLDED, BF16, COMPILE, ONNX = "eager", "folded", "bf16", "compile", "onnx"
#: Name -> what is said of it under every score.
BACKENDS = {
    EAGER: "as trained",
    FOLDED: "batch norms folded into the convolutions before them",
    BF16: "bfloat16, whose numbers differ from float32's by a hundredth of the largest; batch norms folded",
    COMPILE: "compiled by torch, batch norms folded",
    ONNX: "ONNX Runtime, batch norms folded",
}
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)  # those that bfloat16 makes fast

Stages = Callable[[Tensor], list[Any]]


def check_backend(name: object, where: str) -> str:
    """Returns the name of a backend; raises ConfigError, which begins with ``where``, of another."""
    if not isinstance(name, str) or name not in BACKENDS:
        raise ConfigError(f"{where}: expected one of {', '.join(BACKENDS)}, found {name!r}")
    return name


def with_backend(estimator: PoseEstimator, backend: str, size_hw: tuple[int, int]) -> PoseEstimator:
    """A network that predicts by a backend; the one given stays as it is, and is put into evaluation mode.

    Args:
        estimator: With its weights, on the device where it will predict.
        backend: One of :data:`BACKENDS`. A network from an ONNX file is folded already.
        size_hw: Of the input.

    Returns:
        Another estimator; the same for "eager", and for "folded" where there is nothing to make faster.

    Raises:
        ConfigError: If the backend is unknown, cannot be had here, or does not give the network's numbers.
        CheckpointError: If a package for it is not installed.
    """
    check_backend(backend, "backend")
    if estimator.run is not None:
        raise ConfigError(
            f"backend {backend}: the network has a backend already ({estimator.backend_words}); give the one "
            "that it was made of"
        )
    estimator.eval()
    if backend == EAGER:
        return estimator
    if isinstance(estimator.backbone, OnnxNetwork):
        if backend == FOLDED:
            return estimator
        raise ConfigError(
            f"backend {backend}: the network {estimator.backbone.path} is computed by ONNX Runtime; it can "
            "only be 'folded' or 'eager', which leave it as it is"
        )
    quick = _folded(estimator, size_hw)
    if backend == FOLDED and estimator.mean.device.type == "cpu":  # the others have their own ways
        quick = of_some_size(quick, size_hw, lambda size: fused(quick, partial(all_stages, size_hw=size)))[1]
    quick.backend_words = BACKENDS[backend]
    if backend == BF16:
        quick.run = _in_bfloat16(quick)
    elif backend == COMPILE:
        quick.run = _compiled(quick, size_hw)
    elif backend == ONNX:
        quick.run = OnnxStages(quick, size_hw)
    if backend in (COMPILE, ONNX) and not same(outputs(estimator, size_hw), outputs(quick, size_hw)):
        raise ConfigError(f"backend {backend}: gives other numbers than the network itself; use 'eager'")
    return quick


# --- folding, and the layout that CPUs prefer -----------------------------------------------------------


def _folded(estimator: PoseEstimator, size_hw: tuple[int, int]) -> PoseEstimator:
    """A copy with batch norms folded where that is possible, on a CPU with channels last."""

    def fold(size: tuple[int, int]) -> PoseEstimator:
        return folded(estimator, partial(all_stages, size_hw=size))

    _, quick = of_some_size(estimator, size_hw, fold)
    if quick is estimator:
        quick = copy.deepcopy(estimator)
    if estimator.mean.device.type == "cpu":
        quick.memory_format = torch.channels_last
        quick.to(memory_format=torch.channels_last)
    return quick


# --- bfloat16 -----------------------------------------------------------------------------------------------


def _in_bfloat16(estimator: PoseEstimator) -> Stages:
    """Convolutions and matrices in bfloat16, the rest as torch's autocast has it; outputs in float32.

    Raises:
        ConfigError: If the processor has no instructions for it, and would be slower than in float32.
    """
    device = estimator.mean.device.type
    if device == "cuda":
        native = torch.cuda.get_device_capability(estimator.mean.device) >= (8, 0)
    else:  # of other processors than x86 torch tells nothing
        on_x86 = device == "cpu" and platform.machine().lower() in ("x86_64", "amd64")
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # torch before 2.6 has none
        native = not on_x86 or supported is None or bool(supported())
    if not native:
        raise ConfigError("backend bf16: this processor has no instructions for bfloat16; use 'folded'")
    for part in estimator.modules():
        if isinstance(part, _LAYERS):
            part.to(torch.bfloat16)

    def run(image: Tensor) -> list[Any]:
        with torch.autocast(device, torch.bfloat16):
            stages = estimator.stages(image)
        return [like(stage, [tensor.float() for tensor in flat(stage)]) for stage in stages[-1:]]

    return run


# --- torch.compile ----------------------------------------------------------------------------------------


def _compiled(estimator: PoseEstimator, size_hw: tuple[int, int]) -> Stages:
    """Compiled once for all numbers of crops; a single one, which would be compiled anew, goes by torch.

    Raises:
        ConfigError: If it cannot be compiled: there is no C++ compiler, mostly.
    """
    compiled = torch.compile(estimator.stages)

    def run(image: Tensor) -> list[Any]:
        if len(image) == 1:
            return estimator.stages(image)
        torch._dynamo.maybe_mark_dynamic(image, 0)
        with torch.no_grad():
            return compiled(image)

    try:
        run(noise(estimator, size_hw, crops=2))
    except RuntimeError as error:
        words = str(error).strip().partition("\n")[0]
        raise ConfigError(f"backend compile: torch cannot compile the network: {words}") from error
    return run
