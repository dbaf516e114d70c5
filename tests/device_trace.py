"""What a computation copies between host and device, and where it waits, found out without any device.

torch's device "meta" stands for a GPU: its tensors have shapes and no numbers, operations on them are
dispatched one by one as a GPU's are, in backward passes and optimisers too, and what would need numbers on
the host cannot pass unseen. Host tensors are real. (Fake CUDA tensors would do as well, but for backward
passes, which end a process without CUDA.)
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from posekit.structures import Sample

DEVICE = torch.device("meta")
SIDE = 64
_aten = torch.ops.aten
_COPIES = (_aten._to_copy.default, _aten.copy_.default)
# Their results' sizes depend on the numbers, so the host waits for them.
_COUNTED = (_aten.nonzero.default, _aten.masked_select.default, _aten._unique2.default)
# They copy Python numbers to the device, and wait.
_OF_NUMBERS = (torch.tensor, torch.as_tensor, torch.asarray, torch.Tensor.new_tensor)


class Crossing(NamedTuple):
    """One copy between host and device, or one wait for a number.

    Attributes:
        way: "to device", "to host", "a number" or "mixed" (an operation on tensors of both).
        what: Shape and dtype of a copy, the operation otherwise.
        waits: Whether the host waits until the device has done all that it was given before.
    """

    way: str
    what: str
    waits: bool


class DeviceTrace:
    """Records crossings, and the operations that make float64 on the device, while it is entered.

    Raises:
        AssertionError: From an operation whose result is as long as the device's numbers say.
    """

    def __init__(self) -> None:
        self.crossings: list[Crossing] = []
        self.float64: list[str] = []
        self._entered = ExitStack()

    def __enter__(self) -> DeviceTrace:
        self._entered.enter_context(_Operations(self))
        self._entered.enter_context(_Constants(self))
        return self

    def __exit__(self, *error: Any) -> None:
        self._entered.close()

    def note(self, way: str, what: str, waits: bool) -> None:
        """Records a crossing."""
        self.crossings.append(Crossing(way, what, waits))


def _described(tensor: torch.Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


class _Constants(TorchFunctionMode):
    def __init__(self, trace: DeviceTrace) -> None:
        super().__init__()
        self.trace = trace

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func in _OF_NUMBERS and made.device == DEVICE:
            data = args[1] if func is torch.Tensor.new_tensor else args[0]
            if not isinstance(data, torch.Tensor):  # whose copy is an operation
                self.trace.note("to device", f"constant {_described(made)}", True)
        return made


class _Operations(TorchDispatchMode):
    def __init__(self, trace: DeviceTrace) -> None:
        super().__init__()
        self.trace = trace

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.is_inference_mode_enabled():  # where operations come before they are taken apart
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        on_device = [tensor for tensor in given if tensor.device == DEVICE]
        if func is _aten._local_scalar_dense.default and on_device:
            self.trace.note("a number", str(func), True)
            return 0.0 if on_device[0].is_floating_point() else 0
        if func in _COPIES:
            return self._copy(func, args, kwargs)
        if func in _COUNTED and on_device:
            raise AssertionError(f"{func} waits for the device, to know how long its result is")
        if func is _aten.index.Tensor and any(t.dtype == torch.bool for t in on_device[1:]):
            raise AssertionError("indexing by a mask waits for the device, to know how many are meant")
        # A number of no dimension on the host is handed over with the operation.
        if on_device and any(t.device != DEVICE and t.ndim for t in given):
            self.trace.note("mixed", str(func), True)
        return self._seen(func, func(*args, **kwargs))

    def _copy(self, func: Any, args: Any, kwargs: Any) -> Any:
        source = args[1] if func is _aten.copy_.default else args[0]
        target = args[0].device if func is _aten.copy_.default else kwargs.get("device", source.device)
        waits = not (args[2] if len(args) > 2 else kwargs.get("non_blocking", False))
        if source.device == DEVICE and torch.device(target) != DEVICE:
            self.trace.note("to host", _described(source), True)
            if func is _aten.copy_.default:
                return args[0]
            return torch.zeros(source.shape, dtype=kwargs.get("dtype", source.dtype))
        if source.device != DEVICE and torch.device(target) == DEVICE:
            self.trace.note("to device", _described(source), waits)
        return self._seen(func, func(*args, **kwargs))

    def _seen(self, func: Any, result: Any) -> Any:
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.trace.float64 += [str(func) for t in made if t.device == DEVICE and t.dtype == torch.float64]
        return result


def to_device(what: str) -> Crossing:
    """A copy that is not waited for."""
    return Crossing("to device", what, waits=False)


def to_host(what: str) -> Crossing:
    """A copy, which has to be waited for."""
    return Crossing("to host", what, waits=True)


class Stem(nn.Module):
    """A backbone as small as can be: one convolution of stride 4, seen as the maps of several stacks."""

    out_channels = 8
    emits_heatmaps = False
    input_divisor = 4

    def __init__(self, stacks: int = 1) -> None:
        super().__init__()
        self.layer, self.stacks = nn.Conv2d(3, 8, 4, stride=4), stacks

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [self.layer(image)] * self.stacks


def batch() -> Sample:
    """Two people of 17 keypoints, as a data loader hands them over."""
    return Sample(
        image=torch.zeros(2, 3, SIDE, SIDE, dtype=torch.uint8),
        keypoints=torch.rand(2, 17, 2) * SIDE,
        weight=torch.ones(2, 17),
        warp=torch.tensor([[1.0, 0, 0], [0, 1, 0]], dtype=torch.float64).expand(2, 2, 3),
        box_xyxy=torch.zeros(2, 4),
        box_score=torch.ones(2),
        image_id=torch.tensor([3, 4]),
        person_id=torch.tensor([5, 6]),
    )
