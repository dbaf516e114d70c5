"""Benchmarks of the codecs: target maps from keypoints, keypoints from maps."""

from __future__ import annotations

from functools import partial

import torch

from posekit.codecs import Codec, DarkCodec, MSRACodec, UDPCodec
from posekit.codecs.simcc import AxisMaps, SimCCCodec

from .common import HEATMAP_HW, INPUT_HW, Row, Settings, milliseconds


def targets(settings: Settings) -> list[Row]:
    """The target maps of a batch, 64 people x 17 keypoints x 64x48.

    The reference is the least there is to do: one product of two broadcast factors fills the maps.

    Targets:
        MSRA encode: <= 1.5 ms
    """
    points, weight = random_points(settings)
    across, down = torch.rand(*weight.shape, 1, HEATMAP_HW[1]), torch.rand(*weight.shape, HEATMAP_HW[0], 1)
    codec = MSRACodec()
    seconds = settings.in_turns(
        settings.timed(lambda: codec.encode(points, weight, INPUT_HW, HEATMAP_HW), 20),
        settings.timed(lambda: across * down, 20),
    )
    return [milliseconds("MSRA encode", seconds, "one broadcast product")]


def decode(settings: Settings) -> list[Row]:
    """Keypoints from a batch of noisy maps, 64 people x 17 keypoints x 64x48.

    The reference is the least there is to do: the maps are read once, for the highest value of each.

    Targets:
        MSRA, quarter cell: <= 1.5 ms
        DARK: <= 3 ms
        UDP: <= 3 ms
    """
    codecs: dict[str, Codec] = {"MSRA, quarter cell": MSRACodec(), "DARK": DarkCodec(), "UDP": UDPCodec()}
    return [time_decoding(settings, what, codec) for what, codec in codecs.items()]


def time_decoding(settings: Settings, what: str, codec: Codec) -> Row:
    heatmaps, _ = codec.encode(*random_points(settings), INPUT_HW, HEATMAP_HW)
    heatmaps = heatmaps + 0.02 * torch.randn_like(heatmaps)
    seconds = settings.in_turns(
        settings.timed(lambda: codec.decode(heatmaps, INPUT_HW), 20),
        settings.timed(lambda: heatmaps.amax(dim=(2, 3)), 20),
    )
    return milliseconds(what, seconds, "highest value of every map")


def decode_simcc(settings: Settings) -> list[Row]:
    """Keypoints from a batch of noisy logits of two bins a pixel, 64 people x 17 keypoints.

    The reference is the least there is to do: the logits are read once, for the highest bin of each row.
    Relative scores need the sum of all exponentials besides.

    Targets:
        SimCC, relative scores: <= 1 ms
        SimCC, raw scores: <= 1 ms
    """
    points, weight = random_points(settings)
    rows = []
    for scores in ("relative", "raw"):
        codec = SimCCCodec(sigma=(4.9, 5.66), scores=scores)
        labels, _ = codec.encode(points, weight, INPUT_HW)
        logits = AxisMaps(*(40 * axis + torch.randn_like(axis) for axis in labels))
        seconds = settings.in_turns(
            settings.timed(partial(codec.decode, logits), 20),
            settings.timed(partial(_surest_bins, logits), 20),
        )
        rows.append(milliseconds(f"SimCC, {scores} scores", seconds, "highest bin of every row"))
    return rows


def _surest_bins(logits: AxisMaps) -> None:
    for axis in logits:
        axis.numpy().argmax(-1)


def random_points(settings: Settings) -> tuple[torch.Tensor, torch.Tensor]:
    """Keypoints (B, 17, 2) anywhere in the input, and their weights, all 1."""
    people = settings.count(64)
    torch.manual_seed(0)
    return torch.rand(people, 17, 2) * torch.tensor([191.0, 255.0]), torch.ones(people, 17)
