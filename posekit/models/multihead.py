"""Several heads on one backbone, by name: keypoints and attributes, keypoints and an embedding, ..."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.models.building import build_part, kind_of, settings_of
from posekit.models.heads import Head, Prediction, SizeHW
from posekit.registry import MODELS
from posekit.structures import Sample, Skeleton


@MODELS.register_module()
class MultiHead(Head):
    """Several heads that share a backbone; their losses are summed, their predictions joined.

    Losses and accuracies are logged as ``NAME.key``. One head at most may predict keypoints; what else the
    heads predict goes into ``Pose.extra`` under the heads' own names for it, which must differ.

    Args:
        heads: Name -> a head, or its config.
        in_channels: Channels of the backbone's maps.
        skeleton: What the K keypoints are.
        weights: Name -> factor on that head's losses, 1 by default. A head of weight 0 predicts and does not
            learn; nothing of its losses reaches the backbone.
        emits_heatmaps: The backbone's maps are heatmaps already.

    Raises:
        ConfigError: On no head, a name with a dot or with "loss" in it, a weight that no head has or that is
            no number >= 0, or weights that are all 0.
    """

    def __init__(
        self,
        heads: Mapping[str, Mapping[str, Any] | nn.Module],
        in_channels: int,
        skeleton: Skeleton,
        weights: Mapping[str, float] | None = None,
        emits_heatmaps: bool = False,
    ) -> None:
        super().__init__()
        self.weights = {**dict.fromkeys(heads, 1.0), **(weights or {})}
        _check(heads, self.weights)
        given = {
            "in_channels": in_channels,
            "num_keypoints": skeleton.num_keypoints,
            "skeleton": skeleton,
            "emits_heatmaps": emits_heatmaps,
        }
        built = {name: build_part(head, f"model.head.heads.{name}", given) for name, head in heads.items()}
        whole = [name for name, head in built.items() if getattr(head, "whole_pictures", False)]
        if whole:
            raise ConfigError(
                f"model.head.heads.{whole[0]}: a {type(built[whole[0]]).__name__} finds many people on whole "
                "pictures, and stands alone; the other heads expect one person's crop"
            )
        self.heads = nn.ModuleDict(built)
        self.resamples = all(head.resamples for head in built.values())

    @classmethod
    def num_maps(cls, settings: MutableMapping[str, Any], num_keypoints: int) -> int | None:
        """As its first head that takes heatmaps."""
        heads: dict[str, Any] = {}
        wanted = None
        for name, head in (settings.get("heads") or {}).items():
            if isinstance(head, nn.Module):
                heads[name] = head
                continue
            where = f"model.head.heads.{name}"
            own = settings_of(head, where)
            number = kind_of(own, where).num_maps(own, num_keypoints)
            heads[name] = own
            wanted = number if wanted is None else wanted
        settings["heads"] = heads
        return wanted

    def forward(self, maps: Sequence[Tensor]) -> list[dict[str, Any]]:
        """The outputs of all heads by name, stage by stage; a head with fewer stages has the last ones."""
        outputs = {name: list(head(maps)) for name, head in self.heads.items()}
        count = max(len(stages) for stages in outputs.values())
        return [
            {name: stages[i - count] for name, stages in outputs.items() if count - i <= len(stages)}
            for i in range(count)
        ]

    def loss(self, stages: Sequence[Mapping[str, Any]], sample: Sample) -> dict[str, Tensor]:
        """The losses of all heads, each times its weight."""
        return {
            f"{name}.{key}": value * self.weights[name] if "loss" in key else value
            for name, own in self.unweighted(stages, sample).items()
            for key, value in own.items()
        }

    def unweighted(self, stages: Sequence[Mapping[str, Any]], sample: Sample) -> dict[str, dict[str, Tensor]]:
        """What each head reports of a batch, by the heads' names."""
        return {
            name: head.loss([stage[name] for stage in stages if name in stage], sample)  # type: ignore[operator]
            for name, head in self.heads.items()
        }

    def activate(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: head.activate(outputs[name]) for name, head in self.heads.items()}  # type: ignore[operator]

    def flip(
        self, outputs: Mapping[str, Any], flip_index: Sequence[int] | np.ndarray, input_size_hw: SizeHW
    ) -> dict[str, Any]:
        return {
            name: head.flip(outputs[name], flip_index, input_size_hw)  # type: ignore[operator]
            for name, head in self.heads.items()
        }

    def predict(self, outputs: Mapping[str, Any], sample: Sample) -> Prediction:
        """What the heads predict, joined.

        Raises:
            ConfigError: If two predict keypoints, or something of one name.
        """
        points = scores = None
        extra: dict[str, Tensor] = {}
        for name, head in self.heads.items():
            found: Prediction = head.predict(outputs[name], sample)  # type: ignore[operator]
            repeated = sorted(set(extra) & set(found.extra))
            if repeated or (points is not None and found.points is not None):
                raise ConfigError(f"model.head: two heads predict {repeated or 'keypoints'}")
            extra.update(found.extra)
            if found.points is not None:
                points, scores = found.points, found.scores
        return Prediction(points, scores, extra)

    def resample(
        self, outputs: Mapping[str, Any], from_size_hw: SizeHW, to_size_hw: SizeHW
    ) -> dict[str, Any]:
        return {
            name: head.resample(outputs[name], from_size_hw, to_size_hw)  # type: ignore[operator]
            for name, head in self.heads.items()
        }

    def check_scales(self, scales: Sequence[float]) -> None:
        for head in self.heads.values():
            head.check_scales(scales)  # type: ignore[operator]

    def describe(self) -> dict[str, str]:
        """The heads' own; a heatmap head's codec is the estimator's."""
        return {key: value for head in self.heads.values() for key, value in head.describe().items()}  # type: ignore[operator]


def _check(heads: Any, weights: Mapping[str, Any]) -> None:
    if not isinstance(heads, Mapping) or not heads:
        raise ConfigError(f"model.head.heads: expected name -> head, found {heads!r:.80}")
    wrong = [name for name in heads if not str(name).isidentifier() or "loss" in name]
    if wrong:
        raise ConfigError(f"model.head.heads: {wrong[0]!r}: expected a plain name without 'loss' in it")
    for name, weight in weights.items():
        if name not in heads:
            raise ConfigError(f"model.head.weights: names {name!r}, not among the heads {sorted(heads)}")
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < float("inf"):
            raise ConfigError(f"model.head.weights.{name}: expected a number >= 0, found {weight!r}")
    if not any(weights.values()):
        raise ConfigError(f"model.head.weights: expected one above 0, found {dict(weights)}")
