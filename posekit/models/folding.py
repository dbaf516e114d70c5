"""Batch norms folded into the convolutions before them: the same network, with fewer steps.

In evaluation a batch norm multiplies and adds constants, which the convolution in front of it can do by other
weights (Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018, section 3.2). On a CPU a small network becomes about half as fast again. Numbers change
in their last digits, for sums are taken in another order.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


# Of the largest output, how far another order of sums may lead.
_TOLERANCE = 1e-4

Network = TypeVar("Network", bound=nn.Module)
Run = Callable[[Any], Sequence[Tensor]]


def folded(module: Network, run: Run) -> Network:
    """A copy of a network whose batch norms are folded where that is possible; the network stays as it is.

    Beside that, convolutions padded as in TensorFlow (EfficientNet's) do without a copy of their input; a
    network with such takes even sides alone, as every posekit network does, which halves them five times.

    A batch norm is folded where what it is given is what one convolution gave, each of them used once in a
    pass. Which follows which is seen in a pass, so that the network may be written in any way; a batch norm
    before a convolution, or behind anything else, stays.

    Args:
        module: In evaluation mode.
        run: Makes one pass through the network it is given, always with the same input, and gives what comes
            out of it.

    Returns:
        The copy; the network itself where there is nothing to fold, or where the copy does not give the same
        to 1e-4 of the largest output: what goes into a batch norm is then needed elsewhere, too.
    """
    pairs = followers(module, run, _CONVOLUTIONS, (nn.BatchNorm2d,))
    if not pairs:
        return module
    names = {part: name for name, part in module.named_modules()}
    copied = copy.deepcopy(module)
    for convolution, norm in pairs:
        _fold(copied.get_submodule(names[convolution]), norm)
        replace(copied, names[norm], _behind(norm))
    for name, part in list(copied.named_modules()):
        if _pads_at_the_end(part):
            replace(copied, name, _with_zeros_in_front(part))  # type: ignore[arg-type]
    with torch.no_grad():
        return copied if same(run(module), run(copied)) else module


def same(expected: Sequence[Tensor], found: Sequence[Tensor]) -> bool:
    """Whether outputs are those of another way to compute them, to 1e-4 of the largest of each."""
    return all(
        before.shape == after.shape and bool((before - after).abs().max() <= _TOLERANCE * before.abs().max())
        for before, after in zip(expected, found, strict=True)
    )


def followers(
    module: nn.Module, run: Run, layers: tuple[type[nn.Module], ...], kinds: tuple[type[nn.Module], ...]
) -> list[tuple[nn.Module, nn.Module]]:
    """Layers and the modules of some kinds that take their outputs, each used once in a pass, as it shows.

    None with hooks of its own, which would be lost, or which make its weights (``weight_norm``).

    Args:
        module: The network.
        run: See :func:`folded`.
        layers: Of these classes are the layers.
        kinds: Of these what follows them; of batch norms those with statistics.
    """
    # By identity; the tensor is held, so that none is reused. And how often it was changed in place.
    given: dict[int, tuple[nn.Module, Tensor, int | None]] = {}
    taken: list[tuple[nn.Module, nn.Module]] = []
    uses: dict[nn.Module, int] = {}

    def gave(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        given[id(output)] = (layer, output, changes(output))
        uses[layer] = uses.get(layer, 0) + 1

    def takes(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        uses[layer] = uses.get(layer, 0) + 1
        found = given.get(id(inputs[0])) if inputs else None  # by name it is not seen
        if found is not None and found[2] == changes(inputs[0]):
            taken.append((found[0], layer))

    handles = []
    for part in module.modules():
        if is_watched(part):
            continue
        if isinstance(part, layers):
            handles.append(part.register_forward_hook(gave))
        elif isinstance(part, kinds) and getattr(part, "running_var", part) is not None:
            handles.append(part.register_forward_pre_hook(takes))
    try:
        with torch.no_grad():
            run(module)
    finally:
        for handle in handles:
            handle.remove()
    takers = [layer for layer, _ in taken]
    return [
        (layer, follower)
        for layer, follower in taken
        if uses[layer] == uses[follower] == takers.count(layer) == 1
    ]


def changes(tensor: Tensor) -> int | None:
    """How often a tensor was changed in place; None of one of inference mode, where torch does not count."""
    try:
        return tensor._version
    except RuntimeError:
        return None


def is_watched(part: nn.Module) -> bool:
    """Whether somebody put hooks on a part's pass."""
    return bool(part._forward_hooks or part._forward_pre_hooks)


def _fold(convolution: nn.Module, norm: nn.Module) -> None:
    weight, bias = fuse_conv_bn_weights(
        convolution.weight,  # type: ignore[arg-type]
        convolution.bias,  # type: ignore[arg-type]
        norm.running_mean,  # type: ignore[arg-type]
        norm.running_var,  # type: ignore[arg-type]
        norm.eps,  # type: ignore[arg-type]
        norm.weight,  # type: ignore[arg-type]
        norm.bias,  # type: ignore[arg-type]
        transpose=isinstance(convolution, nn.ConvTranspose2d),
    )
    convolution.weight, convolution.bias = weight, bias  # type: ignore[assignment]


def _pads_at_the_end(layer: nn.Module) -> bool:
    """TensorFlow's convolution of stride 2: on an even side it pads once less in front than behind."""
    return (
        type(layer).__name__ == "Conv2dSame"  # timm's; it copies its whole input to pad it
        and isinstance(layer, nn.Conv2d)
        and layer.stride == (2, 2)
        and layer.dilation == (1, 1)
        and layer.kernel_size in ((3, 3), (5, 5), (7, 7))
    )


def _with_zeros_in_front(layer: nn.Conv2d) -> nn.Conv2d:
    """The same on even sides: with zeros in front of rows and columns a kernel pads alike on all sides."""
    size = layer.kernel_size[0]
    wider = nn.Conv2d(
        layer.in_channels, layer.out_channels, size + 1, 2, (size - 1) // 2, groups=layer.groups, bias=False
    )
    weight = F.pad(layer.weight.detach(), (1, 0, 1, 0))
    channels_last = layer.weight.is_contiguous(memory_format=torch.channels_last)
    wider.weight = nn.Parameter(
        weight.contiguous(memory_format=torch.channels_last) if channels_last else weight, requires_grad=False
    )
    wider.bias = layer.bias
    return wider.eval()


def _behind(norm: nn.Module) -> nn.Module:
    """What a norm of timm does beside: it holds the activation behind it."""
    rest = [
        part
        for name in ("drop", "act")
        if (part := getattr(norm, name, None)) is not None and not isinstance(part, nn.Identity)
    ]
    return nn.Sequential(*rest) if len(rest) > 1 else rest[0] if rest else nn.Identity()


def replace(module: nn.Module, name: str, new: nn.Module) -> None:
    """Puts another part in the place of the one of that name."""
    parent, _, own = name.rpartition(".")
    setattr(module.get_submodule(parent), own, new)
