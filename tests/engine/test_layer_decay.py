"""Learning rates by layer."""

from __future__ import annotations

import pytest
import torch
from mmengine.optim import OptimWrapper, build_optim_wrapper

from posekit.engine.layer_decay import LayerDecay
from posekit.errors import ConfigError
from posekit.models import HRNet, PoseEstimator, ViTPose

SMALL = {"depth": 2, "embed_dim": 24, "num_heads": 3}


def _model(backbone):
    head = {"type": "HeatmapHead", "codec": {"type": "udp"}, "loss": {"type": "MSELoss"}}
    return PoseEstimator(backbone, head, skeleton={"name": "toy", "keypoints": ["a", "b"]})


def _wrapper(model, **paramwise):
    config = {
        "type": OptimWrapper,
        "optimizer": {"type": torch.optim.AdamW, "lr": 0.1, "weight_decay": 0.2},
        "constructor": LayerDecay,
        "paramwise_cfg": paramwise,
    }
    return build_optim_wrapper(model, config)


def test_every_layer_has_its_rate():
    model = _model({"type": ViTPose, "input_size_hw": (64, 48), "options": SMALL})
    optimiser = _wrapper(model, layer_decay=0.5).optimizer
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {
        names[id(p)]: (group["lr"], group["weight_decay"])
        for group in optimiser.param_groups
        for p in group["params"]
    }
    assert rates.keys() == {name for name, _ in model.named_parameters()}
    network = "backbone.backbone."
    assert rates["head.final_layer.weight"] == (0.1, 0.2)
    assert rates["backbone.decoder.deconv_layers.0.weight"] == (0.1, 0.2)
    assert rates["head.final_layer.bias"] == (0.1, 0.0)
    assert rates[f"{network}blocks.1.mlp.fc1.weight"] == (pytest.approx(0.05), 0.2)
    assert rates[f"{network}blocks.0.mlp.fc1.weight"] == (pytest.approx(0.025), 0.2)
    assert rates[f"{network}blocks.0.norm1.weight"] == (pytest.approx(0.025), 0.0)
    assert rates[f"{network}patch_embed.proj.weight"] == (pytest.approx(0.0125), 0.2)
    assert rates[f"{network}pos_embed"] == (pytest.approx(0.0125), 0.0)


@pytest.mark.parametrize("decay", [None, 0, 1.5, True, "0.5"])
def test_an_impossible_decay_is_refused(decay):
    model = _model({"type": ViTPose, "input_size_hw": (64, 48), "options": SMALL})
    with pytest.raises(ConfigError, match="layer_decay: expected a number above 0 and at most 1"):
        _wrapper(model, layer_decay=decay)


def test_a_decay_must_be_stated():
    model = _model({"type": ViTPose, "input_size_hw": (64, 48), "options": SMALL})
    with pytest.raises(ConfigError, match="layer_decay: expected a number above 0 and at most 1, found None"):
        _wrapper(model)


def test_a_network_without_timms_layers_is_refused():
    with pytest.raises(
        ConfigError, match=r"LayerDecay asks a network of timm for its layers.*HRNet has none"
    ):
        _wrapper(_model({"type": HRNet, "variant": "w8"}), layer_decay=0.5)
