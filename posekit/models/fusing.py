"""Convolutions and the activations behind them as one operation of oneDNN, torch's library on x86 CPUs.

A small network's time on a CPU is that of its memory: an activation of its own reads and writes each map once
more, and torch brings the weights into oneDNN's order at each call. ``torch.compile`` puts the same
operation in their place; here it is without a compiler.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from posekit.models.folding import Network, Run, changes, followers, is_watched, replace, same

# What oneDNN computes behind a convolution: torch's class -> its name, and its numbers.
_ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.Hardswish: ("hardswish", []),
}


def fused(module: Network, run: Run) -> Network:
    """A copy of a network whose convolutions take the activations behind them along, on a CPU.

    Args:
        module: In evaluation mode, on a CPU, in float32.
        run: Makes one pass through the network it is given, always with the same input, and gives what comes
            out of it.

    Returns:
        The copy; the network itself where torch has no such operation, or where the copy does not give the
        same to 1e-4 of the largest output, or nothing. Parts with hooks stay as they are.
    """
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")):
        return module
    behind = dict(followers(module, run, (nn.Conv2d,), tuple(_ACTIVATIONS)))
    names = {part: name for name, part in module.named_modules()}
    copied = copy.deepcopy(module)
    for layer, name in names.items():
        if not name or type(layer) is not nn.Conv2d or not _padded_by_zeros(layer) or is_watched(layer):
            continue
        activation = behind.get(layer)
        activation = activation if type(activation) in _ACTIVATIONS else None
        replace(copied, name, FusedConv2d(copied.get_submodule(name), activation))  # type: ignore[arg-type]
        if activation is not None:
            replace(copied, names[activation], nn.Identity())
    with torch.no_grad():
        expected = run(module)
        try:
            return copied if same(expected, run(copied)) else module
        except (RuntimeError, TypeError, AttributeError):  # the operation is private to torch
            return module


def _computes_now(maps: Tensor) -> bool:
    """Whether the operation can take these maps; who writes a network down gets the layers."""
    plain = maps.device.type == "cpu" and maps.dtype == torch.float32 and not torch.is_grad_enabled()
    return plain and maps.ndim == 4 and not torch.jit.is_tracing() and not torch.compiler.is_compiling()


def _padded_by_zeros(layer: nn.Conv2d) -> bool:
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


class _Ordered(NamedTuple):
    """Weights in oneDNN's order."""

    key: tuple[Any, ...]  # of which maps and weights
    source: Tensor  # held, so that no other weights come to lie at its address
    weights: Tensor


class FusedConv2d(nn.Conv2d):
    """A convolution and the activation behind it; on a CPU, in float32 without gradients, one operation.

    Args:
        layer: A convolution, padded by zeros, whose weights it shares.
        activation: One of torch's ``ReLU``, ``ReLU6`` and ``Hardswish``; None: none.
    """

    def __init__(self, layer: nn.Conv2d, activation: nn.Module | None) -> None:
        # The sizes alone: the weights are those of the layer.
        super().__init__(layer.in_channels, layer.out_channels, layer.kernel_size, device="meta")  # type: ignore[arg-type]
        self.stride, self.padding, self.dilation = layer.stride, layer.padding, layer.dilation
        self._reversed_padding_repeated_twice = layer._reversed_padding_repeated_twice
        self.groups, self.weight, self.bias = layer.groups, layer.weight, layer.bias
        self.activation = activation
        self._operation = ("none", []) if activation is None else _ACTIVATIONS[type(activation)]
        sides = (self.padding, self.stride, self.dilation)
        self._where: tuple[Any, ...] = (*(list(side) for side in sides), self.groups)
        self._ordered: _Ordered | None = None
        self.train(layer.training)

    def forward(self, maps: Tensor) -> Tensor:
        if not _computes_now(maps):
            maps = super().forward(maps)
            return maps if self.activation is None else self.activation(maps)
        return torch.ops.mkldnn._convolution_pointwise.default(
            maps, self._weights_for(maps.shape), self.bias, *self._where, *self._operation, ""
        )

    def _weights_for(self, shape: torch.Size) -> Tensor:
        """The weights in the order for maps of a size; anew where they were changed or loaded since."""
        weight, ordered = self.weight, self._ordered
        # For any number of maps: oneDNN nearly always wants the same order, and else makes its own.
        key = (shape[1:], weight.data_ptr(), changes(weight))
        if ordered is None or ordered.key != key:
            reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
            found = reorder(weight.to_mkldnn(), *self._where, list(shape))
            ordered = self._ordered = _Ordered(key, weight.detach(), found)
        return ordered.weights

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ordered": None}  # the order is this processor's
