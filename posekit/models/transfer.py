"""What of a batch goes to the device; the rest is read on the host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor

from posekit.structures import Sample

# Boxes and ids are never computed with, and the warp, being float64, Apple's GPUs do not take.
_LEARNT_FROM = ("image", "keypoints", "weight", "extra")
_SEEN = ("image",)


def on_device(fields: Iterable[Any], device: torch.device, training: bool) -> Sample:
    """A batch of which a device has what it needs; it does not wait for the copies from pinned memory.

    Args:
        fields: Those of a batched :class:`~posekit.structures.Sample`, on the host.
        device: Where the network is.
        training: Whether a loss is to be computed: from keypoints, weights and what else is learnt. A
            prediction needs the image alone.
    """
    sample = Sample(*fields)
    wanted = [name for name in (_LEARNT_FROM if training else _SEEN) if name in sample._fields]
    return sample._replace(**{name: _moved(getattr(sample, name), device) for name in wanted})


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, dict):
        return {key: _moved(part, device) for key, part in value.items()}
    # Apple's GPUs have no float64, nor do they promise to keep memory handed over so until it has been read.
    apples = device.type == "mps"
    if apples and value.dtype == torch.float64:
        value = value.float()
    return value.to(device, non_blocking=not apples)


class SampleTransfer(BaseDataPreprocessor):
    """:func:`on_device` in the place where mmengine moves whole batches, and waits for every field."""

    def forward(self, data: Iterable[Any], training: bool = False) -> Sample:
        """The batch, ready for the network on the device that it was moved to."""
        return on_device(data, self.device, training)
