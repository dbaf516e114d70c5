"""Embeddings from backbone maps, and a backbone that gives the maps of several layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.models.building import kind_of, settings_of
from posekit.models.heads import Head, Prediction, SizeHW
from posekit.models.timm_backbone import TimmBackbone
from posekit.recognition.losses import ClassLoss
from posekit.registry import MODELS
from posekit.structures import Sample


@MODELS.register_module()
class TimmStages(TimmBackbone):
    """A network of timm that gives several of its maps, from fine to coarse, for supervision at all of them.

    A face of 112 x 112 needs a network whose coarsest stride divides that: most have 32, which
    ``options=dict(output_stride=16)`` brings to 16, the last map being 7 x 7.

    Args:
        name: As of :class:`~posekit.models.timm_backbone.TimmBackbone`.
        stages: Which of its maps from ``stride`` on, ascending, -1 being the last; the last one stated is the
            prediction's.
        pretrained: As there.
        options: As there.
        stride: Of the finest map, which the network must have.

    Raises:
        ConfigError: As there; or on a map that the network does not have.
        CheckpointError: As there.
    """

    def __init__(
        self,
        name: str,
        stages: Sequence[int] = (-1,),
        pretrained: Any = False,
        options: Mapping[str, Any] | None = None,
        stride: int = 4,
    ) -> None:
        self._stages = [*stages]
        super().__init__(name, decoder="none", pretrained=pretrained, options=options, stride=stride)
        channels = [self.channels[stage] for stage in self._stages]
        self.stage_channels = tuple(channels)
        self.out_channels = channels[-1]

    def forward(self, image: Tensor) -> list[Tensor]:
        """The maps of an image, one for each of ``stages``.

        Args:
            image: float (B, 3, H, W), normalised; H and W multiples of the coarsest stride.

        Raises:
            ConfigError: If that does not divide H or W.
        """
        self._check_size(image)
        maps = self.features(image)
        places = range(len(maps))
        try:
            chosen = [places[stage] for stage in self._stages]
        except (IndexError, TypeError):
            chosen = []
        if not chosen or sorted(set(chosen)) != chosen:
            raise ConfigError(
                f"TimmStages: 'stages' must be ascending numbers of {self.name}'s {len(maps)} maps, found "
                f"{self._stages}"
            )
        return [maps[place] for place in chosen]


class _Layer(nn.Module):
    """One stage: map -> embedding, and the losses on it."""

    def __init__(
        self, channels: int, dim: int, map_size_hw: Sequence[int] | None, dropout: float, norm: bool
    ) -> None:
        super().__init__()
        self.pool: nn.Module = nn.AdaptiveAvgPool2d(1)
        if map_size_hw is not None:
            height, width = map_size_hw
            self.pool = nn.Sequential(
                nn.Conv2d(channels, channels, (height, width), groups=channels, bias=False),
                nn.BatchNorm2d(channels),
            )
        self.dropout = nn.Dropout(dropout)
        self.layer = nn.Linear(channels, dim, bias=not norm)
        self.norm: nn.Module = nn.BatchNorm1d(dim) if norm else nn.Identity()
        self.losses = nn.ModuleDict()

    def forward(self, features: Tensor) -> Tensor:
        pooled = self.pool(features)
        if pooled.shape[-2:] != (1, 1):
            raise ConfigError(
                f"EmbeddingHead: expected maps of 'map_size_hw', found {tuple(features.shape[-2:])}"
            )
        return self.norm(self.layer(self.dropout(pooled.flatten(1))))


@MODELS.register_module()
class EmbeddingHead(Head):
    """A vector for each picture, learnt by one or several losses, at one or several layers.

    Joint identification-verification (DeepID2) is ``losses=dict(identification=dict(type=Softmax),
    verification=dict(type=Contrastive, margin=2.0))`` with ``weights=dict(verification=0.05)``. With a
    :class:`TimmStages` of several stages each has an embedding and losses of its own (DeepID2+); the last
    one is the prediction.

    Args:
        in_channels: Channels of the backbone's last map.
        losses: Name -> config of a loss (:mod:`posekit.recognition.losses`); ``dim`` and ``classes`` are
            filled in.
        dim: D.
        classes: C, of the training; None if no loss has classes.
        column: The table's column of class numbers.
        weights: Name -> factor on that loss, 1 by default.
        stage_weight: Factor on the losses of all stages but the last.
        map_size_hw: The last map's size: it is pooled by a learnt depthwise convolution (MobileFaceNets);
            None: by its mean, as the earlier stages' are.
        dropout: Before the linear layer.
        norm: A batch norm after it.
        normalise: Predictions have length 1.
        stage_channels: Channels of the backbone's maps; None: the last one alone is used.

    Raises:
        ConfigError: On no loss, a name or weight that makes no sense, or ``classes`` missing.
    """

    def __init__(
        self,
        in_channels: int,
        losses: Mapping[str, Mapping[str, Any] | nn.Module],
        dim: int = 128,
        classes: int | None = None,
        column: str = "identity",
        weights: Mapping[str, float] | None = None,
        stage_weight: float = 1.0,
        map_size_hw: Sequence[int] | None = None,
        dropout: float = 0.0,
        norm: bool = True,
        normalise: bool = True,
        stage_channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(losses, Mapping) or not losses:
            raise ConfigError(f"model.head.losses: expected name -> loss, found {losses!r:.80}")
        wrong = [name for name in losses if not str(name).isidentifier() or "loss" in name]
        if wrong:
            raise ConfigError(f"model.head.losses: {wrong[0]!r}: expected a plain name without 'loss' in it")
        self.weights = {**dict.fromkeys(losses, 1.0), **(weights or {})}
        for name, weight in self.weights.items():
            number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
            if name not in losses or not number or not 0 < weight < float("inf"):
                raise ConfigError(
                    f"model.head.weights.{name}: expected a number above 0 for one of {sorted(losses)}, "
                    f"found {weight!r}"
                )
        self.column, self.dim, self.normalise, self.stage_weight = column, dim, normalise, stage_weight
        channels = [in_channels] if stage_channels is None else list(stage_channels)
        self.layers = nn.ModuleList(
            _Layer(one, dim, map_size_hw if place == len(channels) else None, dropout, norm)
            for place, one in enumerate(channels, 1)
        )
        given = {"dim": dim, "classes": classes}
        for layer in self.layers:
            built = {name: _built(loss, f"model.head.losses.{name}", given) for name, loss in losses.items()}
            layer.losses.update(built)  # type: ignore[operator, union-attr]

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Backbone maps (B, C, h, w) to embeddings (B, D), one per stage, not normalised."""
        used = maps[-len(self.layers) :]
        return [layer(features) for layer, features in zip(self.layers, used, strict=True)]

    def loss(self, stages: Sequence[Tensor], sample: Sample) -> dict[str, Tensor]:
        """The losses of all stages, summed.

        Args:
            stages: Embeddings, one (B, D) per stage.
            sample: Its ``extra`` has the column of class numbers.

        Returns:
            ``loss`` () to be learnt from; each loss of each stage for the log; and ``acc``, the share of the
            batch whose class is the nearest one at the last stage, where a loss has classes.

        Raises:
            ConfigError: If the samples lack the column.
        """
        if self.column not in sample.extra:
            raise ConfigError(
                f"model.head.column: the samples have no '{self.column}', only {sorted(sample.extra)}; is it "
                "a column of the data set's table?"
            )
        labels, report, total = sample.extra[self.column], {}, []
        last = len(self.layers) - 1
        for stage, (layer, embeddings) in enumerate(zip(self.layers, stages, strict=True)):
            for name, loss in layer.losses.items():  # type: ignore[operator, union-attr]
                value = loss(embeddings, labels)
                factor = self.weights[name] * (1.0 if stage == last else self.stage_weight)
                total.append(value * factor)
                report[name if stage == last else f"{name}_{stage}"] = value.detach()
                if stage == last and isinstance(loss, ClassLoss) and "acc" not in report:
                    report["acc"] = _accuracy(loss, embeddings, labels)
        return {"loss": torch.stack(total).sum(), **report}

    def flip(self, outputs: Tensor, flip_index: Sequence[int] | np.ndarray, input_size_hw: SizeHW) -> Tensor:
        """A mirrored picture's embedding as it is: the two are averaged before they are normalised."""
        return outputs

    def predict(self, outputs: Tensor, sample: Sample) -> Prediction:
        """``embedding`` float32 (B, D), of length 1 if so set."""
        embeddings = outputs.float()
        return Prediction(extra={"embedding": F.normalize(embeddings) if self.normalise else embeddings})

    def describe(self) -> dict[str, str]:
        kinds = ", ".join(type(loss).__name__ for loss in self.layers[-1].losses.values())  # type: ignore[operator, union-attr]
        length = "of length 1" if self.normalise else "not normalised"
        return {"embedding": f"{self.dim} numbers, {length}; learnt by {kinds}"}


@torch.no_grad()
def _accuracy(loss: ClassLoss, embeddings: Tensor, labels: Tensor) -> Tensor:
    with torch.autocast(embeddings.device.type, enabled=False):
        return (loss.scores(embeddings.float()).argmax(dim=1) == labels).float().mean()


def _built(loss: Any, where: str, given: Mapping[str, Any]) -> nn.Module:
    """A loss from its config; a module, as it is, serves all stages."""
    if isinstance(loss, nn.Module):
        return loss
    settings = settings_of(loss, where)
    kind = kind_of(settings, where)
    if getattr(kind, "has_classes", False):
        settings = {**given, **settings}
        if settings["classes"] is None:
            raise ConfigError(
                f"model.head.classes: is missing; {kind.__name__} needs to know how many identities the "
                "training has"
            )
    try:
        return MODELS.build(settings)
    except TypeError as error:  # a misspelt setting
        raise ConfigError(f"{where}: {error}") from error
