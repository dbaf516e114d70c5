"""Backbones and heads from their configs, fitted to each other, their contracts checked with a sentence."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from posekit.errors import ConfigError, is_whole
from posekit.registry import MODELS
from posekit.structures import Skeleton

Part = Mapping[str, Any] | nn.Module
# What an estimator calls.
_OF_A_HEAD = ("forward", "loss", "flip", "predict", "check_scales", "describe", "activate")


def build_network(backbone: Part, head: Part, skeleton: Skeleton) -> tuple[Any, Any]:
    """Builds a backbone and a head that fit each other.

    The head says how many maps it wants of a backbone that emits heatmaps itself.

    Raises:
        ConfigError: If a config lacks its ``type`` or a part, or a part does not do what is asked of it.
    """
    k = skeleton.num_keypoints
    if isinstance(head, nn.Module):
        wanted = head.codec.num_maps(k) if hasattr(head, "codec") else None  # type: ignore[operator, union-attr]
        settings: Any = head
    else:
        settings = settings_of(head, "model.head")
        kind = kind_of(settings, "model.head")
        wanted = kind.num_maps(settings, k) if hasattr(kind, "num_maps") else None
    built = _build_backbone(backbone, wanted, head)
    given = {
        "in_channels": built.out_channels,
        "num_keypoints": k,
        "skeleton": skeleton,
        "emits_heatmaps": getattr(built, "emits_heatmaps", False),
        "stage_channels": getattr(built, "stage_channels", None),
    }
    if isinstance(getattr(built, "stride", None), int):
        given["stride"] = built.stride
    return built, build_part(settings, "model.head", given)


def build_part(part: Part, where: str, given: Mapping[str, Any]) -> Any:
    """A head from its config, with those of the given arguments that its constructor names.

    Raises:
        ConfigError: If it lacks its ``type``, or what it builds is no head.
    """
    if not isinstance(part, nn.Module):
        settings = settings_of(part, where)
        taken = _arguments_of(kind_of(settings, where))
        part = MODELS.build({**{name: value for name, value in given.items() if name in taken}, **settings})
    missing = [name for name in _OF_A_HEAD if not callable(getattr(part, name, None))]
    if missing:
        raise ConfigError(
            f"{where}: a {type(part).__name__} is no head: it has no {missing}; derive it from "
            "posekit.models.Head"
        )
    return part


def _arguments_of(kind: Any) -> set[str]:
    """The arguments that a class takes by name, those that it hands on to its bases by ``**`` among them."""
    names: set[str] = set()
    for one in kind.__mro__ if isinstance(kind, type) else (kind,):
        if isinstance(kind, type) and "__init__" not in vars(one):
            continue
        parameters = inspect.signature(one).parameters.values()
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return names


def _build_backbone(backbone: Part, num_maps: int | None, head: Part) -> Any:
    if not isinstance(backbone, nn.Module):
        settings = settings_of(backbone, "model.backbone")
        if getattr(kind_of(settings, "model.backbone"), "emits_heatmaps", False):
            if num_maps is None:
                raise ConfigError(
                    f"model: {kind_of(settings, '').__name__} emits heatmaps, which "
                    f"{_name(head)} does not take; choose another backbone, or a HeatmapHead"
                )
            settings["num_maps"] = num_maps
        backbone = MODELS.build(settings)
    channels = getattr(backbone, "out_channels", None)
    if not is_whole(channels):
        raise ConfigError(
            f"model.backbone: {type(backbone).__name__}.out_channels: expected how many channels its maps "
            f"have, a whole number above 0, found {channels!r}"
        )
    return backbone


def _name(part: Part) -> str:
    kind = type(part) if isinstance(part, nn.Module) else part["type"]
    return kind if isinstance(kind, str) else kind.__name__


def settings_of(part: Any, where: str) -> dict[str, Any]:
    """A copy of a part's config, which must say what to build."""
    if not isinstance(part, Mapping) or part.get("type") is None:
        raise ConfigError(f"{where}.type: is missing; expected dict(type=...), found {part!r:.80}")
    return dict(part)


def kind_of(settings: Mapping[str, Any], where: str) -> Any:
    """The class that a part's config names.

    Raises:
        ConfigError: If it is not registered.
    """
    kind = settings["type"]
    found = MODELS.get(kind) if isinstance(kind, str) else kind
    if found is None:
        raise ConfigError(f"{where}.type: no class is registered as {kind!r}")
    return found
