"""What the model zoo says of one published weight file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from posekit.io.downloads import WeightFile
from posekit.models.estimator import IMAGENET_MEAN, IMAGENET_STD


@dataclass(frozen=True)
class ZooRow:
    """A network with published weights.

    Attributes:
        name: What ``posekit.models.create`` and ``tools/test.py --zoo`` call it.
        config: The config of its data and protocol, and of its training; a path below the checkout.
        backbone: Config of the backbone, its type by name.
        skeleton: Name of the skeleton.
        input_size_hw: Height and width of the input it was trained for.
        codec: Config of the codec, its type by name.
        weights: The weight file, where it is and its checksum.
        expected: The published scores under posekit's names; AP and AR as fractions, PCKh in percent.
        expected_source: Who published them.
        box_source: The person boxes that they were reached with.
        parameters: Learnable values.
        macs: Multiply-adds at batch 1, as :func:`posekit.models.summary.count_macs` counts them.
        mean: See :class:`~posekit.models.estimator.PoseEstimator`.
        std: Likewise.
        channel_order: Likewise.
        flip_test: Whether the published score averages with the mirror image.
        crop: The crop convention, see :class:`~posekit.transforms.Crop`.
        head: What the head has otherwise than ``HeatmapHead`` by itself, e.g. its ``kernel_size``.
        note: What else to know.
    """

    name: str
    config: str
    backbone: Mapping[str, Any]
    skeleton: str
    input_size_hw: tuple[int, int]
    codec: Mapping[str, Any]
    weights: WeightFile
    expected: Mapping[str, float]
    expected_source: str
    box_source: str
    parameters: int
    macs: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    channel_order: str = "rgb"
    flip_test: bool = True
    crop: str = "hrnet"
    head: Mapping[str, Any] = field(default_factory=dict)
    note: str = field(default="", repr=False)

    @property
    def options(self) -> dict[str, Any]:
        """What the row says of its config, as overrides for ``posekit.engine.configs.config.load_config``."""
        return {
            "model.head.codec": dict(self.codec),
            **{f"model.head.{name}": value for name, value in self.head.items()},
            "model.mean": self.mean,
            "model.std": self.std,
            "model.channel_order": self.channel_order,
            "model.flip_test": self.flip_test,
            "test_dataloader.dataset.crop.convention": self.crop,
        }
