"""What a network costs, and whether all of it can learn.

Multiply-adds are counted on torch's ``meta`` device, where tensors have shapes and no values: counting takes
the same fraction of a second and no memory for any size of input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from posekit.machine import threads, threads_for

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def count_parameters(module: nn.Module) -> int:
    """The number of learnable values."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, input_shape: Sequence[int]) -> int:
    """Multiply-adds of one forward pass at batch 1, as the HRNet release's model summary counts them.

    A convolution counts its weights times the positions of its *output*, a linear layer its weights times
    the rows it is applied to; biases, norms, activations, resizing and the two products inside attention
    count nothing. Counted at its output, a transposed convolution of stride 2 comes out four times its real
    work; this is kept, because the papers' GFLOPs of SimpleBaseline are counted so. The releases print the
    number / 1024^3 and call it GFLOPs.

    Args:
        module: A network whose forward takes one float tensor.
        input_shape: (channels, height, width), without the batch.
    """
    with counting_macs(module) as macs, torch.no_grad():
        _run_on_meta(module, input_shape)
    return sum(macs)


@contextmanager
def counting_macs(module: nn.Module) -> Iterator[list[int]]:
    """Fills a list with the multiply-adds of each layer for one input of a batch, as it is used."""
    macs: list[int] = []

    def add(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        weights = layer.weight.numel()  # type: ignore[union-attr, operator]
        if isinstance(layer, nn.Linear):
            macs.append(weights * (output.numel() // layer.out_features))
        else:
            macs.append(weights * output[0, 0].numel())

    layers = [layer for layer in module.modules() if isinstance(layer, (*_CONVOLUTIONS, nn.Linear))]
    handles = [layer.register_forward_hook(add) for layer in layers]
    try:
        yield macs
    finally:
        for handle in handles:
            handle.remove()


def unused_parameters(module: nn.Module, input_shape: Sequence[int]) -> list[str]:
    """Names of learnable weights that no output depends on; DDP refuses a network that has any.

    Args:
        module: Its forward takes one float tensor and gives one or a list of them. It is run once, on zeros.
        input_shape: (channels, height, width); small is enough, the answer does not depend on it.
    """
    weights = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
    device = next(module.parameters()).device
    with torch.enable_grad(), evaluation_mode(module), threads(threads_for(0)):  # a small input
        output = module(torch.zeros((1, *input_shape), device=device))
        outputs = [output] if isinstance(output, Tensor) else list(output)
        total = torch.stack([tensor.sum() for tensor in outputs]).sum()
        gradients = torch.autograd.grad(total, list(weights.values()), allow_unused=True)
    return [name for name, gradient in zip(weights, gradients, strict=True) if gradient is None]


def _run_on_meta(module: nn.Module, input_shape: Sequence[int]) -> None:
    state = {
        name: torch.empty_like(tensor, device="meta")
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]
    }
    with evaluation_mode(module):
        functional_call(module, state, (torch.empty((1, *input_shape), device="meta"),))


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Puts a network into evaluation mode, and each of its parts back afterwards."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        # Part by part, because a frozen batch norm may have been in evaluation mode alone.
        for part in training:
            part.training = True
