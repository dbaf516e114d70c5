"""Networks without memory: shapes and names alone, on torch's ``meta`` device, and without torch's compiler.

On that device torch draws random numbers and normalises by operations of its compiler, which takes a second
to load. Nobody needs their results there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode


class _ShapesAlone(TorchFunctionMode):
    """Leaves weights as they are made, and lets batch norm give what it is given."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return args[0] if func is F.batch_norm else func(*args, **kwargs)


@contextmanager
def without_memory() -> Iterator[None]:
    """While it lasts, tensors that are made have no memory, and no numbers."""
    with torch.device("meta"), _ShapesAlone():
        yield
