"""Networks of the zoo by name: ``create("hrnet_w32_coco_256x192", pretrained=True)``."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from posekit.codecs import Codec
from posekit.errors import CheckpointError, ConfigError
from posekit.io.bundled import WEIGHTS
from posekit.io.downloads import obtain
from posekit.models.estimator import PoseEstimator, normalised
from posekit.models.zoo.row import ZooRow
from posekit.models.zoo.table import ZOO
from posekit.skeletons import get_skeleton
from posekit.structures import Skeleton


def list_models(pattern: str = "*") -> list[str]:
    """The names of the zoo that match a shell pattern, e.g. ``"*_coco_*"``, in the table's order."""
    return [name for name in ZOO if fnmatch.fnmatchcase(name, pattern)]


def find_row(name: str) -> ZooRow:
    """The row of a name.

    Raises:
        ConfigError: If there is none, with the names most like it.
    """
    if name not in ZOO:
        bundled = sorted(path.stem for path in WEIGHTS.glob("*.json"))
        own, close = _nearest(str(name), bundled, 0.6), _nearest(str(name), ZOO, 0.4)
        like = f"the nearest are {close}; " if close else ""
        if own and _nearest(str(name), [*bundled, *ZOO], 0.4)[0] in bundled:
            like = f"did you mean the bundled {' or '.join(map(repr, own))}? "
        raise ConfigError(
            f"model zoo: there is no {name!r}; {like}python tools/test.py --list-zoo shows its names, and "
            "posekit/docs/models.md those of the bundled models"
        )
    return ZOO[name]


def _nearest(name: str, names: Collection[str], cutoff: float) -> list[str]:
    """Up to five of the names: those that begin with it, else those most like it."""
    begun = [other for other in names if name and other.startswith(name)]
    return begun[:5] or difflib.get_close_matches(name, names, n=5, cutoff=cutoff)


def obtain_weights(row: ZooRow) -> Path:
    """The path of a row's weight file, which is downloaded if it is not there and its publisher offers that.

    Raises:
        CheckpointError: As :func:`posekit.io.downloads.obtain`.
    """
    try:
        return obtain(row.weights)
    except CheckpointError as error:
        others = [other.name for other in ZOO.values() if other.config == row.config and other.weights.url]
        if row.weights.url is not None or not others:
            raise
        raise CheckpointError(
            f"{error}\n  Weights that download by themselves: {', '.join(others)}"
        ) from error


class HeatmapNetwork(nn.Module):
    """A network of the zoo: a normalised image in, its heatmaps out.

    Made by :func:`create`. Its ``state_dict`` has the names of a posekit checkpoint. To train it, or to
    predict with flip test and boxes, hand its ``backbone`` and ``head`` to a
    :class:`~posekit.models.estimator.PoseEstimator`.

    Attributes:
        row: What the zoo says of it: input size, codec, expected score ...
        skeleton: Its K keypoints.
        backbone: Image -> maps.
        head: Maps -> heatmaps, with the codec.
        mean: float32 (1, 3, 1, 1), grey levels of 0..255; in the order of the input's channels, as ``std``.
        std: float32 (1, 3, 1, 1).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, estimator: PoseEstimator, row: ZooRow) -> None:
        super().__init__()
        self.row = row
        self.skeleton: Skeleton = estimator.skeleton
        self.backbone: nn.Module = estimator.backbone
        self.head: Any = estimator.head
        self.register_buffer("mean", estimator.mean, persistent=False)
        self.register_buffer("std", estimator.std, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Computes the last stage's heatmaps.

        Args:
            image: float (B, 3, H, W), as :meth:`normalise` makes it.

        Returns:
            (B, C, H/4, W/4); C is K, or what the codec makes of it.
        """
        return self.head(self.backbone(image))[-1]

    def normalise(self, image: Tensor) -> Tensor:
        """Turns a uint8 RGB batch (B, 3, H, W) into the float batch that the network was trained with."""
        return normalised(image, self.mean, self.std, self.row.channel_order)

    @property
    def codec(self) -> Codec:
        """Turns heatmaps into keypoints."""
        return self.head.codec

    def decode(self, heatmaps: Tensor, input_size_hw: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Turns heatmaps (B, C, h, w) into points (B, K, 2), pixels of the input, and scores (B, K).

        Args:
            heatmaps: As from :meth:`forward`.
            input_size_hw: Height and width of the input, if not the row's.
        """
        return self.codec.decode(heatmaps, input_size_hw or self.row.input_size_hw)


def create(
    name: str,
    pretrained: bool | str | Path = False,
    skeleton: Skeleton | str | Mapping[str, Any] | None = None,
) -> HeatmapNetwork:
    """Builds a network of the zoo, in evaluation mode and on the CPU. No config file is read.

    Args:
        name: One of :func:`list_models`.
        pretrained: False: random weights. True: the row's file, from the folder of
            :func:`posekit.io.downloads.weights_folder`, downloaded first if its publisher offers that. A
            path: a file of any known form (:mod:`posekit.models.released`).
        skeleton: Other keypoints than the row's; the weights that depend on their number then stay random.

    Raises:
        ConfigError: On an unknown name, or a ``pretrained`` of another type.
        CheckpointError: If the file must be fetched by hand, is not the published one, or does not fit.
    """
    row = find_row(name)
    estimator = _estimator(row, row.skeleton if skeleton is None else skeleton)
    if pretrained is not False:
        from posekit.models.released import load_into

        others = estimator.skeleton != get_skeleton(row.skeleton)
        load_into(estimator, _weights_path(row, pretrained), allow_head=others)
    return HeatmapNetwork(estimator, row).eval()


def _weights_path(row: ZooRow, pretrained: bool | str | Path) -> Path:
    if pretrained is True:
        return obtain_weights(row)
    if isinstance(pretrained, (str, Path)):
        return Path(pretrained)
    raise ConfigError(f"create: expected 'pretrained' to be True, False or a path, found {pretrained!r}")


def _estimator(row: ZooRow, skeleton: Skeleton | str | Mapping[str, Any]) -> PoseEstimator:
    return PoseEstimator(
        backbone=row.backbone,
        # The loss plays no part; it is that of the releases.
        head={"type": "HeatmapHead", "codec": row.codec, "loss": {"type": "JointsMSELoss"}, **row.head},
        skeleton=skeleton,
        flip_test=row.flip_test,
        mean=row.mean,
        std=row.std,
        channel_order=row.channel_order,
    )
