"""Attributes beside keypoints: maps -> classes of a column of the annotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy

from posekit.errors import ConfigError, is_whole
from posekit.models.heads import Head, Prediction, SizeHW
from posekit.registry import MODELS
from posekit.structures import Sample

UNKNOWN = -1
_LEFT_OUT = -100  # as torch's cross entropy marks them


@MODELS.register_module()
class AttributeHead(Head):
    """Which class of an attribute a person is of: softmax over the classes, from the mean of the last map.

    Use it beside others in a :class:`~posekit.models.multihead.MultiHead`. It predicts the label, int64 (),
    in ``Pose.extra[column]`` and the classes' probabilities, float32 (C,), in
    ``Pose.extra[f"{column}_probabilities"]``. Of mirror images the logits are averaged.

    Args:
        in_channels: Channels of the backbone's maps.
        column: The column of the table (``Sample.extra``) with the labels: whole numbers, -1 where unknown.
        classes: Their number C.
        first: The label of the first class; the others follow one by one.
        flip_pairs: Pairs of labels that change places in a mirrored image, such as ``[(1, 5), (2, 4)]``: as
            the data set's loader mirrors the column.
        hidden: Widths of fully connected layers with ReLU before the output's.
        label_smoothing: Share of the target that is spread over all classes, 0..1.

    Raises:
        ConfigError: On a setting out of range, or pairs that are not of two different labels, each once.
    """

    def __init__(
        self,
        in_channels: int,
        column: str,
        classes: int,
        first: int = 1,
        flip_pairs: Sequence[Sequence[int]] = (),
        hidden: Sequence[int] = (),
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if not is_whole(classes, 2):
            raise ConfigError(f"head: 'classes' must be a whole number above 1, found {classes!r}")
        if not is_whole(first, 0):
            raise ConfigError(f"head: 'first' must be a whole number >= 0 (-1 is unknown), found {first!r}")
        if not 0 <= label_smoothing < 1:
            raise ConfigError(f"head: 'label_smoothing' must be in 0..1, found {label_smoothing!r}")
        self.column, self.classes, self.first = column, classes, first
        self.label_smoothing = label_smoothing
        self.mirror = _mirror(flip_pairs, first, classes)
        layers: list[nn.Module] = []
        before = in_channels
        for width in hidden:
            layers += [nn.Linear(before, width), nn.ReLU(inplace=True)]
            before = width
        last = nn.Linear(before, classes)
        nn.init.normal_(last.weight, std=0.01)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last)

    @property
    def labels(self) -> range:
        """The labels of the classes in their order."""
        return range(self.first, self.first + self.classes)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Backbone maps (B, C, h, w), of which the last is read, to one output: logits (B, classes)."""
        pooled = adaptive_avg_pool2d(maps[-1], 1).flatten(1)
        with torch.autocast(pooled.device.type, enabled=False):
            return [self.layers(pooled.float())]

    def known(self, sample: Sample) -> Tensor:
        """Whose label is known: bool (B,).

        Raises:
            ConfigError: If the data set has no such column of whole numbers.
        """
        labels = sample.extra.get(self.column)
        if not isinstance(labels, Tensor) or labels.ndim != 1 or labels.is_floating_point():
            raise ConfigError(
                f"head: AttributeHead: expected the data set to have a column {self.column!r} of whole "
                f"numbers, found {sorted(sample.extra)}; a loader reads it, such as load_mtfl, or "
                f"load_coco(extra={{{self.column!r}: -1}})"
            )
        return labels != UNKNOWN

    def loss(self, stages: Sequence[Tensor], sample: Sample) -> dict[str, Tensor]:
        """``loss`` (): cross entropy, mean over the batch; a person of unknown label adds 0."""
        known = self.known(sample)
        target = torch.where(known, sample.extra[self.column] - self.first, _LEFT_OUT)
        total = cross_entropy(
            stages[-1],
            target,
            ignore_index=_LEFT_OUT,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        return {"loss": total / len(target)}

    def flip(self, outputs: Tensor, flip_index: Sequence[int] | np.ndarray, input_size_hw: SizeHW) -> Tensor:
        return outputs[:, self.mirror]

    def predict(self, outputs: Tensor, sample: Sample) -> Prediction:
        """No points; the label (B,) and the probabilities (B, classes), see the class."""
        probabilities = outputs.float().softmax(dim=1)
        labels = probabilities.argmax(dim=1) + self.first
        return Prediction(extra={self.column: labels, f"{self.column}_probabilities": probabilities})


def _mirror(pairs: Sequence[Sequence[int]], first: int, classes: int) -> list[int]:
    """Which class of a mirrored image each class is."""
    places = list(range(classes))
    seen = [label for pair in pairs for label in pair]
    known = all(not isinstance(label, bool) and label in range(first, first + classes) for label in seen)
    if not known or any(len(pair) != 2 for pair in pairs) or len(set(seen)) < len(seen):
        raise ConfigError(
            f"head: 'flip_pairs' must be pairs of different labels from {first} to {first + classes - 1}, "
            f"each once, found {list(pairs)!r}"
        )
    for one, other in pairs:
        places[one - first], places[other - first] = other - first, one - first
    return places


def check_attributes(
    heads: Sequence[AttributeHead], columns: Mapping[str, np.ndarray], mirror: Mapping, where: str
) -> None:
    """Compares heads with the table that teaches them.

    Args:
        heads: Of a network.
        columns: The table's further columns, (people, ...).
        mirror: What a mirrored image makes of them, :attr:`PersonTable.mirror`.
        where: The annotation file, for messages.

    Raises:
        ConfigError: If a column is missing, has labels of no class, or is mirrored otherwise.
    """
    for head in heads:
        column = columns.get(head.column)
        if column is None or column.ndim != 1 or column.dtype.kind not in "iub":
            raise ConfigError(
                f"model.head: AttributeHead: expected a column {head.column!r} of whole numbers of {where}, "
                f"found {sorted(columns)}"
            )
        strange = np.setdiff1d(column, [UNKNOWN, *head.labels])
        if strange.size:
            raise ConfigError(
                f"model.head: AttributeHead: column {head.column!r} of {where}: expected labels "
                f"{list(head.labels)} or {UNKNOWN} (unknown), found {strange[0]}; state its 'classes' and "
                "the 'first' one"
            )
        own = {head.first + i: head.first + j for i, j in enumerate(head.mirror) if i != j}
        theirs = {int(old): int(new) for old, new in mirror.get(head.column, {}).items() if old != new}
        if own != theirs:
            raise ConfigError(
                f"model.head: AttributeHead: {where} mirrors column {head.column!r} by {theirs}, the head by "
                f"{own}; state its 'flip_pairs'"
            )
