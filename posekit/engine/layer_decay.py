"""Learning rates that fall from the head to the first layer, as transformers are fine-tuned."""

from __future__ import annotations

from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from posekit.errors import ConfigError


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecay(DefaultOptimWrapperConstructor):
    """Makes an optimiser whose layer i of n has the learning rate lr * decay^(n - i).

    Bao et al., "BEiT", ICLR 2022, as ViTPose is trained. Layers are timm's of its network: the embedding
    first, then the blocks; decoder and head have the whole rate. Vectors (norms, biases) and position
    embeddings have no weight decay. In a config::

        optim_wrapper = dict(constructor=LayerDecay, paramwise_cfg=dict(layer_decay=0.75), ...)

    Raises:
        ConfigError: If the decay is not above 0 and at most 1, or the backbone is no network of timm.
    """

    def __init__(
        self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None
    ) -> None:
        # Without settings mmengine would never ask it for parameters, and all rates be one.
        super().__init__(optim_wrapper_cfg, {"layer_decay": None, **(paramwise_cfg or {})})

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, *_: Any, **__: Any) -> None:
        """A group of each layer, with and without weight decay, that parameters of ``module`` learn in."""
        decay = self.paramwise_cfg.get("layer_decay")
        if isinstance(decay, bool) or not isinstance(decay, (int, float)) or not 0 < decay <= 1:
            raise ConfigError(
                "optim_wrapper.paramwise_cfg.layer_decay: expected a number above 0 and at most 1, found "
                f"{decay!r}"
            )
        layers = _layers(module)
        last = max(layers.values()) + 1
        groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                plain = parameter.ndim <= 1 or name.endswith("pos_embed")
                groups.setdefault((layers.get(name, last), plain), []).append(parameter)
        for (layer, plain), parameters in sorted(groups.items(), key=lambda item: item[0]):
            group = {"params": parameters, "lr": self.base_lr * decay ** (last - layer)}
            params.append({**group, "weight_decay": 0.0} if plain else group)


def _layers(module: nn.Module) -> dict[str, int]:
    """Name of a parameter of timm's network -> its layer, 0 being the first."""
    from timm.models import group_parameters

    network = getattr(getattr(module, "backbone", None), "backbone", None)
    if network is None or not hasattr(network, "group_matcher"):
        kind = type(getattr(module, "backbone", module)).__name__
        raise ConfigError(
            f"optim_wrapper.constructor: LayerDecay asks a network of timm for its layers, such as a vision "
            f"transformer (TimmBackbone, ViTPose); {kind} has none"
        )
    found = group_parameters(network, network.group_matcher(coarse=False), reverse=True)
    return {f"backbone.backbone.{name}": int(layer) for name, layer in found.items()}
