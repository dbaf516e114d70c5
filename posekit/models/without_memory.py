"""Networks without memory: shapes and names alone, on torch's ``meta`` device, and without torch's compiler.

On that device torch draws random numbers by operations of its compiler, which takes a second to load; and
there are none to be drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_DRAWING = ("normal_", "uniform_", "trunc_normal_", "erfinv_", "exponential_", "bernoulli_")


class _Uninitialised(TorchFunctionMode):
    """Leaves weights as they are made."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        if args and getattr(func, "__name__", None) in _DRAWING:  # of tensors, as timm's own starts use them
            return args[0]
        return func(*args, **kwargs)


@contextmanager
def without_memory() -> Iterator[None]:
    """While it lasts, tensors that are made have no memory, and no numbers."""
    with torch.device("meta"), _Uninitialised():
        yield
