"""The optimiser's wrapper: mixed precision on CPUs and GPUs, and gradient norms logged without waiting.

mmengine's own wrapper for mixed precision asserts that there is a GPU; this one runs wherever
``torch.autocast`` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.registry import OPTIM_WRAPPERS

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def _gpu_has_bfloat16() -> bool:
    """Not ``torch.cuda.is_bf16_supported()``, which counts GPUs that only emulate it, slowly."""
    return torch.version.hip is not None or torch.cuda.get_device_capability() >= (8, 0)


def keep_norms(wrapper: OptimWrapper) -> None:
    """Leaves the norms of clipped gradients on the device, for :func:`take_norm`.

    mmengine's wrapper copies each to the host for the log, and so waits for the device at every step.
    """
    clip = getattr(wrapper, "clip_func", None)
    if clip is None or getattr(clip, "keeps_norms", False):  # it comes again on resuming
        return

    def clip_and_keep(parameters: list[Tensor], **settings: Any) -> None:
        wrapper.norm = clip(parameters, **settings)  # returned, it would be copied

    clip_and_keep.keeps_norms = True  # type: ignore[attr-defined]
    wrapper.clip_func = clip_and_keep


def take_norm(wrapper: Any) -> dict[str, Tensor]:
    """The norm that the last step's gradients had before they were clipped, by its name; or nothing."""
    norm = vars(wrapper).pop("norm", None)
    return {} if norm is None else {wrapper.grad_name: norm}


@OPTIM_WRAPPERS.register_module()
class MixedPrecisionOptimWrapper(OptimWrapper):
    """An optimiser wrapper whose forward runs under ``torch.autocast``; weights stay float32.

    Args:
        dtype: ``"bfloat16"`` or ``"float16"``. Default: bfloat16 on a CPU and on a GPU that has it,
            float16 on older GPUs. float16 scales the loss, so that small gradients do not vanish; torch's
            scaler then looks at every step whether one has become infinite, and the host waits for it.
        init_scale: First factor of the loss scaling.
        **kwargs: As :class:`mmengine.optim.OptimWrapper` takes them.

    Raises:
        ConfigError: On another dtype.
    """

    def __init__(self, dtype: str | None = None, init_scale: float = 65536.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.device_type = self.optimizer.param_groups[0]["params"][0].device.type
        self.dtype = self._choose_dtype(dtype)
        scaling = self.dtype is torch.float16
        # With scaling off every call of the scaler passes straight through.
        self.scaler = torch.amp.GradScaler(self.device_type, init_scale=init_scale, enabled=scaling)

    def _choose_dtype(self, name: str | None) -> torch.dtype:
        if name is None:
            return torch.bfloat16 if self.device_type == "cpu" or _gpu_has_bfloat16() else torch.float16
        if name not in _DTYPES:
            raise ConfigError(f"optim_wrapper.dtype: expected one of {sorted(_DTYPES)}, found {name!r}")
        return _DTYPES[name]

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), torch.autocast(self.device_type, dtype=self.dtype):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        self.scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        if self.clip_grad_kwargs:
            self.scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.scaler.step(self.optimizer, **kwargs)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "loss_scaler": self.scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        state_dict = dict(state_dict)
        scaler = state_dict.pop("loss_scaler", None)
        if scaler and self.scaler.is_enabled():
            self.scaler.load_state_dict(scaler)
        super().load_state_dict(state_dict)
