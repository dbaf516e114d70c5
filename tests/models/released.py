"""Compares a network with the released one of the same name in the reference vectors."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import reference
import torch
from models import recipe
from torch import Tensor, nn

from posekit.models.summary import count_macs, count_parameters


def names(prefix: str) -> list[str]:
    """The reference networks whose names begin so; one placeholder, which skips, where there are none."""
    if not (reference.SHARED / "reference/networks.json").exists():
        return [f"{prefix}..."]
    # Sorted, so that networks with the same weights follow each other: see recipe.fill.
    return sorted(name for name in reference.load_json("networks.json") if name.startswith(prefix))


def facts(name: str) -> dict:
    """The row of networks.json; skips the test if the file is absent."""
    return reference.load_json("networks.json")[name]


class WithFinalLayer(nn.Module):
    """A backbone and the release's 1x1 convolution to heatmaps, under the release's names."""

    def __init__(self, backbone: nn.Module, num_maps: int) -> None:
        super().__init__()
        backbone.add_module("final_layer", nn.Conv2d(backbone.out_channels, num_maps, 1))
        self.backbone = backbone

    def forward(self, image: Tensor) -> list[Tensor]:
        return [self.backbone.final_layer(features) for features in self.backbone(image)]


def check(name: str, network: nn.Module, forward: Callable[[Tensor], list[Tensor]] | None = None) -> None:
    """Asserts names, shapes, parameter count, multiply-adds and outputs.

    Args:
        name: Of the reference network.
        network: Has the release's ``state_dict`` names; made on the device "meta", where its start, which
            the recipe replaces, costs no time.
        forward: Image -> heatmaps of every stack; the network itself by default.
    """
    row = facts(name)
    forward = forward or network
    expected = {key: (tuple(shape), kind) for key, shape, kind in keys(name)}
    found = {
        k: (tuple(v.shape), str(v.dtype).removeprefix("torch.")) for k, v in network.state_dict().items()
    }
    assert found == {key: (shape, kind.removeprefix("torch.")) for key, (shape, kind) in expected.items()}
    assert count_parameters(network) == row["n_parameters"]
    assert sum(buffer.numel() for buffer in network.buffers()) == row["n_buffer_elements"]

    macs = count_macs(forward if isinstance(forward, nn.Module) else network, row["input_shape"][1:])
    assert macs / 1e9 == row["gmacs_1e9"]
    assert macs / 1024**3 == row["official_summary_gflops_1024"]

    network.to_empty(device="cpu")
    values = recipe.fill(network, row["salt"], row["gain"])
    assert recipe.crc32(values) == row["weights_crc32"]
    image = recipe.image(name, tuple(row["input_shape"]), row["salt"])
    assert recipe.crc32({"input": image.numpy()}) == row["input_crc32"]
    with torch.no_grad():
        heatmaps = [output.numpy() for output in forward(image)]
    assert [list(output.shape) for output in heatmaps] == row["output_shapes"]
    # Ten times the rounding between float32 and float64, which networks.json measured.
    check_outputs(name, heatmaps, atol=10 * row["float32_vs_float64_max_abs_diff"])


def keys(name: str) -> list:
    """[key, shape, dtype] of the release's ``state_dict``, in its order."""
    return reference.load_json("networks_keys.json.gz")[name]


def check_outputs(name: str, heatmaps: list[np.ndarray], atol: float) -> None:
    arrays = {
        key.removeprefix(f"{name}__output_"): value
        for key, value in reference.load("networks.npz").items()
        if key.startswith(f"{name}__output_")
    }
    assert {"item0", "item1_every2"} <= set(arrays)
    for field, expected in arrays.items():
        found = _cut(field, heatmaps)
        assert found.shape == expected.shape, field
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol, err_msg=field)


def _cut(field: str, heatmaps: list[np.ndarray]) -> np.ndarray:
    """What a field of networks.npz holds: [stack<n>_ | stacks_] item<n> [_every<step>]."""
    match = re.fullmatch(r"(?:stack(s|\d+)_)?item(\d+)(?:_every(\d+))?", field)
    assert match, field
    stack, item, step = match[1], int(match[2]), int(match[3] or 1)
    if stack == "s":
        return np.stack(heatmaps)[:, item, :, ::step, ::step]
    return heatmaps[int(stack or -1)][item, :, ::step, ::step]
