"""Pixels as a network takes them: orders of channels, grey, and each image by its own contrast."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from posekit.errors import ConfigError

CHANNEL_ORDERS = ("rgb", "bgr", "grey")
FIXED, PER_IMAGE = NORMALISATIONS = ("fixed", "per_image")
# Luma of ITU-R BT.601, as OpenCV and PIL make grey of RGB.
LUMA = (0.299, 0.587, 0.114)


def input_channels(channel_order: str) -> int:
    """How many channels the network's input has.

    Raises:
        ConfigError: On another order than :data:`CHANNEL_ORDERS`.
    """
    if channel_order not in CHANNEL_ORDERS:
        raise ConfigError(f"model.channel_order: expected one of {CHANNEL_ORDERS}, found {channel_order!r}")
    return 1 if channel_order == "grey" else 3


def check_normalisation(normalisation: str) -> str:
    """Returns it if it is one of :data:`NORMALISATIONS`; raises ConfigError otherwise."""
    if normalisation not in NORMALISATIONS:
        raise ConfigError(f"model.normalisation: expected one of {NORMALISATIONS}, found {normalisation!r}")
    return normalisation


def levels(values: Sequence[float], name: str, channels: int = 3) -> Tensor:
    """Means or standard deviations as float32 (1, channels, 1, 1).

    Raises:
        ConfigError: If there is not one number for each channel.
    """
    try:
        found = torch.tensor(values, dtype=torch.float32)
    except (TypeError, ValueError):  # texts, None, ragged
        found = torch.zeros(0)
    if found.shape != (channels,):
        wanted = "three numbers (red, green, blue)" if channels == 3 else "one number, [grey]"
        remedy = "" if channels == 3 else ", or normalisation='per_image', which needs none"
        raise ConfigError(f"model.{name}: expected {wanted}{remedy}; found {values!r}")
    return found.view(1, channels, 1, 1)


def in_order(image: Tensor, channel_order: str) -> Tensor:
    """A uint8 RGB batch (B, 3, H, W) in the network's channels: itself, or float grey (B, 1, H, W)."""
    if channel_order == "grey":
        return torch.einsum("bchw,c->bhw", image.float(), image.new_tensor(LUMA, dtype=torch.float32))[
            :, None
        ]
    return image.flip(1) if channel_order == "bgr" else image


def standardised(image: Tensor, channel_order: str) -> Tensor:
    """Each image of a uint8 RGB batch (B, 3, H, W) less its own mean, over its own standard deviation.

    Both are of all pixels and channels of the image (its z-score); the deviation is at least one over the
    root of their number, so that an image of one colour becomes zeros.
    """
    pixels = in_order(image, channel_order).float()
    pixels = pixels - pixels.mean(dim=(1, 2, 3), keepdim=True)
    least = pixels[0].numel() ** -0.5
    return pixels / pixels.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp(min=least)
