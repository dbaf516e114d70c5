"""The networks once more, in plain numpy and float64 from a dict of weights: origin of golden/networks.npz.

Written from the papers and the weight names, sharing nothing with posekit but the small configurations
below. Slow and plain on purpose. ``python tests/models/plain_networks.py`` writes the file anew.

Maps are (C, h, w).
"""

from __future__ import annotations

import numpy as np

Weights = dict[str, np.ndarray]


def conv(maps, w: Weights, name: str, stride: int = 1) -> np.ndarray:
    kernel = w[f"{name}.weight"].astype(np.float64)
    pad = kernel.shape[2] // 2
    padded = np.pad(maps, ((0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(1, 2))
    out = np.tensordot(kernel, windows[:, ::stride, ::stride], ([1, 2, 3], [0, 3, 4]))
    return out + w[f"{name}.bias"][:, None, None] if f"{name}.bias" in w else out


def deconv(maps, w: Weights, name: str) -> np.ndarray:
    """4x4, stride 2, padding 1: every input cell adds a scaled kernel to the output."""
    kernel = w[f"{name}.weight"].astype(np.float64)
    _, h, width = maps.shape
    out = np.zeros((kernel.shape[1], 2 * h + 2, 2 * width + 2))
    for dy in range(4):
        for dx in range(4):
            part = np.tensordot(kernel[:, :, dy, dx], maps, ([0], [0]))
            out[:, dy : dy + 2 * h : 2, dx : dx + 2 * width : 2] += part
    return out[:, 1:-1, 1:-1]


def norm(maps, w: Weights, name: str) -> np.ndarray:
    mean, var, scale, shift = (
        w[f"{name}.{leaf}"].astype(np.float64)[:, None, None]
        for leaf in ("running_mean", "running_var", "weight", "bias")
    )
    return (maps - mean) / np.sqrt(var + 1e-5) * scale + shift


def relu(maps) -> np.ndarray:
    return np.maximum(maps, 0)


def pool(maps, size: int) -> np.ndarray:
    """Max over size x size, stride 2; size 3 is padded by 1."""
    pad = size // 3
    padded = np.pad(maps, ((0, 0), (pad, pad), (pad, pad)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return windows[:, ::2, ::2].max(axis=(3, 4))


def enlarge(maps, times: int) -> np.ndarray:
    return maps.repeat(times, axis=1).repeat(times, axis=2)


def chain(maps, w: Weights, name: str, block, **first) -> np.ndarray:
    """Blocks name.0, name.1, ... as many as there are; the first may have a stride."""
    number = 0
    while any(key.startswith(f"{name}.{number}.") for key in w):
        maps = block(maps, w, f"{name}.{number}", **(first if number == 0 else {}))
        number += 1
    return maps


# --- hourglass ---------------------------------------------------------------------------------------------


def pre_activation(maps, w: Weights, name: str) -> np.ndarray:
    out = maps
    for number in (1, 2, 3):
        out = conv(relu(norm(out, w, f"{name}.bn{number}")), w, f"{name}.conv{number}")
    return out + (conv(maps, w, f"{name}.downsample.0") if f"{name}.downsample.0.weight" in w else maps)


def one_hourglass(maps, w: Weights, name: str, level: int) -> np.ndarray:
    up = chain(maps, w, f"{name}.{level}.0", pre_activation)
    low = chain(pool(maps, 2), w, f"{name}.{level}.1", pre_activation)
    if level == 0:
        low = chain(low, w, f"{name}.0.3", pre_activation)
    else:
        low = one_hourglass(low, w, name, level - 1)
    return up + enlarge(chain(low, w, f"{name}.{level}.2", pre_activation), 2)


def hourglass(image, w: Weights) -> list[np.ndarray]:
    maps = relu(norm(conv(image, w, "conv1", 2), w, "bn1"))
    maps = pool(chain(maps, w, "layer1", pre_activation), 2)
    maps = chain(chain(maps, w, "layer2", pre_activation), w, "layer3", pre_activation)
    levels = {int(key.split(".")[3]) for key in w if key.startswith("hg.0.hg.")}
    outputs: list[np.ndarray] = []
    while f"score.{len(outputs)}.weight" in w:
        i = len(outputs)
        out = chain(one_hourglass(maps, w, f"hg.{i}.hg", max(levels)), w, f"res.{i}", pre_activation)
        out = relu(norm(conv(out, w, f"fc.{i}.0"), w, f"fc.{i}.1"))
        outputs.append(conv(out, w, f"score.{i}"))
        if f"fc_.{i}.weight" in w:
            maps = maps + conv(out, w, f"fc_.{i}") + conv(outputs[i], w, f"score_.{i}")
    return outputs


# --- ResNet and HRNet --------------------------------------------------------------------------------------


def residual(maps, w: Weights, name: str, stride: int = 1) -> np.ndarray:
    """A basic block (two convolutions) or a bottleneck (three, the stride on the second)."""
    count = 3 if f"{name}.conv3.weight" in w else 2
    out = maps
    for number in range(1, count + 1):
        step = stride if number == count - 1 else 1
        out = norm(conv(out, w, f"{name}.conv{number}", step), w, f"{name}.bn{number}")
        out = relu(out) if number < count else out
    if f"{name}.downsample.0.weight" in w:
        maps = norm(conv(maps, w, f"{name}.downsample.0", stride), w, f"{name}.downsample.1")
    return relu(out + maps)


def simple_baseline(image, w: Weights) -> list[np.ndarray]:
    maps = pool(relu(norm(conv(image, w, "conv1", 2), w, "bn1")), 3)
    for number in (1, 2, 3, 4):
        maps = chain(maps, w, f"layer{number}", residual, stride=1 if number == 1 else 2)
    for number in (0, 3, 6):
        maps = relu(norm(deconv(maps, w, f"deconv_layers.{number}"), w, f"deconv_layers.{number + 1}"))
    return [conv(maps, w, "final_layer")]


def down(maps, w: Weights, name: str) -> np.ndarray:
    return norm(conv(maps, w, f"{name}.0", 2), w, f"{name}.1")


def transition(branches: list, w: Weights, name: str, count: int) -> list[np.ndarray]:
    new = []
    for i in range(count):
        if f"{name}.{i}.0.0.weight" in w:
            new.append(relu(down(branches[-1], w, f"{name}.{i}.0")))
        elif f"{name}.{i}.0.weight" in w:
            new.append(relu(norm(conv(branches[i], w, f"{name}.{i}.0"), w, f"{name}.{i}.1")))
        else:
            new.append(branches[i])
    return new


def exchange(branches: list, w: Weights, name: str) -> list[np.ndarray]:
    branches = [chain(maps, w, f"{name}.branches.{i}", residual) for i, maps in enumerate(branches)]
    fuse = f"{name}.fuse_layers"
    targets = {int(key.removeprefix(f"{fuse}.").split(".")[0]) for key in w if key.startswith(f"{fuse}.")}
    outputs = []
    for i in sorted(targets):
        total = np.zeros_like(branches[i])
        for j, maps in enumerate(branches):
            if j > i:
                path = norm(conv(maps, w, f"{fuse}.{i}.{j}.0"), w, f"{fuse}.{i}.{j}.1")
                total = total + enlarge(path, 2 ** (j - i))
            else:
                for step in range(i - j):
                    maps = down(maps, w, f"{fuse}.{i}.{j}.{step}")
                    maps = relu(maps) if step < i - j - 1 else maps
                total = total + maps
        outputs.append(relu(total))
    return outputs


def hrnet(image, w: Weights) -> list[np.ndarray]:
    maps = relu(norm(conv(image, w, "conv1", 2), w, "bn1"))
    maps = relu(norm(conv(maps, w, "conv2", 2), w, "bn2"))
    branches = [chain(maps, w, "layer1", residual)]
    for stage in (2, 3, 4):
        branches = transition(branches, w, f"transition{stage - 1}", stage)
        branches = chain(branches, w, f"stage{stage}", exchange)
    return [conv(branches[0], w, "final_layer")]


# --- the file ----------------------------------------------------------------------------------------------

SALT, GAIN = 5, 0.5
# name -> (plain network, what posekit is asked for, input height and width)
SMALL = {
    "hourglass_s2": (hourglass, {"num_maps": 3, "stacks": 2, "features": 16, "depth": 2}, (32, 48)),
    "hourglass_b2": (
        hourglass,
        {"num_maps": 3, "stacks": 1, "blocks": 2, "features": 8, "depth": 1},
        (16, 24),
    ),
    "hrnet_w8": (hrnet, {"variant": "w8"}, (64, 96)),
    "hrnet_w16-small": (hrnet, {"variant": "w16-small"}, (64, 32)),
    "hrnet_w18-small": (hrnet, {"variant": "w18-small"}, (32, 64)),
    "simple_r18": (simple_baseline, {"depth": 18, "width": 8, "deconv_width": 8}, (64, 96)),
    "simple_r50": (simple_baseline, {"depth": 50, "width": 4, "deconv_width": 8}, (64, 32)),
}
NUM_MAPS = 3


def build(name: str):
    """The posekit network of a row of ``SMALL``, filled by the recipe: (network, its weights)."""
    from models import recipe, released

    from posekit.models.hourglass import Hourglass
    from posekit.models.hrnet import HRNet
    from posekit.models.simple_baseline import SimpleBaseline

    kinds = {hourglass: Hourglass, hrnet: HRNet, simple_baseline: SimpleBaseline}
    plain, options, _ = SMALL[name]
    network = kinds[plain](**options)
    whole = network if plain is hourglass else released.WithFinalLayer(network, NUM_MAPS)
    return whole.eval(), recipe.fill(network, SALT, GAIN)


def expected(name: str) -> list[np.ndarray]:
    """The heatmaps that plain numpy computes for a row of ``SMALL``, item 0 of the recipe's input."""
    from models import recipe

    plain, _, size = SMALL[name]
    image = recipe.image(name, (1, 3, *size), SALT).numpy()[0].astype(np.float64)
    return plain(image, build(name)[1])


def main() -> None:
    """Writes golden/networks.npz."""
    from reference import GOLDEN

    arrays = {f"{name}__stacks": np.stack(expected(name)).astype(np.float32) for name in SMALL}
    np.savez_compressed(GOLDEN / "networks.npz", **arrays)
    print({key: (value.shape, float(np.abs(value).max())) for key, value in arrays.items()})


if __name__ == "__main__":
    import sys
    from pathlib import Path

    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    main()
