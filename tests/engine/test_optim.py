"""Mixed precision."""

from __future__ import annotations

import pytest
import torch
from mmengine.hooks import Hook
from toy_training import build, weights

from posekit.engine.optim import MixedPrecisionOptimWrapper
from posekit.errors import ConfigError

FLOAT16 = {
    "optim_wrapper.type": "posekit.engine.optim.MixedPrecisionOptimWrapper",
    "optim_wrapper.dtype": "float16",
}


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_mixed_precision_on_a_cpu(tmp_path, dtype):
    options = {"optim_wrapper.type": "MixedPrecisionOptimWrapper"}
    if dtype:
        options["optim_wrapper.dtype"] = dtype
    options["optim_wrapper.type"] = f"{MixedPrecisionOptimWrapper.__module__}.MixedPrecisionOptimWrapper"
    runner = build(tmp_path, options)
    seen = []
    runner.model.layers[1].register_forward_hook(lambda m, i, out: seen.append(out.dtype))
    runner.train()
    assert torch.bfloat16 in seen
    assert all(p.dtype == torch.float32 for p in runner.model.parameters())
    rest = build(tmp_path, {**options, "train_cfg.max_epochs": 4}, resume=True)
    rest.train()
    assert rest.epoch == 4


def test_an_impossible_precision(tmp_path):
    options = {
        "optim_wrapper.type": "posekit.engine.optim.MixedPrecisionOptimWrapper",
        "optim_wrapper.dtype": "float8",
    }
    with pytest.raises(ConfigError, match=r"expected one of.*'float8'"):
        build(tmp_path, options).train()


def test_half_precision_on_a_cpu_scales_its_loss(tmp_path):
    runner = build(tmp_path, {**FLOAT16, "optim_wrapper.init_scale": 2.0**40})  # far too much at first
    seen = []
    runner.model.layers[1].register_forward_hook(lambda m, i, out: seen.append(out.dtype))
    before = weights(runner)
    moved = []

    class Moved(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            moved.append(not torch.equal(weights(runner), before))

    runner.register_hook(Moved())
    runner.train()
    assert torch.float16 in seen
    assert not moved[0]  # the first step overflowed, and was left out
    assert runner.optim_wrapper.scaler.get_scale() < 2.0**40
    assert all(p.dtype == torch.float32 for p in runner.model.parameters())
    assert torch.isfinite(weights(runner)).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_losses_in_less_precision_are_nearly_the_same(tmp_path, dtype):
    plain = build(tmp_path)
    plain.train()
    options = {**FLOAT16, "optim_wrapper.dtype": dtype, "optim_wrapper.init_scale": 64.0}
    mixed = build(tmp_path, options, work_dir="mixed")
    mixed.train()
    first, second = (r.message_hub.log_scalars["train/loss"].data[0] for r in (plain, mixed))
    assert second == pytest.approx(first, rel=0.02)
    assert second.tolist() != first.tolist()


@pytest.mark.parametrize(
    ("capability", "dtype"), [((7, 0), torch.float16), ((7, 5), torch.float16), ((8, 0), torch.bfloat16)]
)
def test_gpus_that_only_emulate_bfloat16_get_float16(monkeypatch, capability, dtype):
    """torch.cuda.is_bf16_supported() counts those as well."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.version, "hip", None)
    wrapper = MixedPrecisionOptimWrapper(optimizer=torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 0.1))
    assert wrapper.dtype is torch.bfloat16  # a CPU
    wrapper.device_type = "cuda"
    assert wrapper._choose_dtype(None) is dtype
