"""Settings of a training that change how a step is made: each does what it says."""

from __future__ import annotations

import os
import shutil

import pytest
import small_training
import torch
from mmengine.hooks import Hook
from toy_processes import ToyNormModel
from toy_training import ToyModel, build, runner_log, weights

from posekit.engine import optim
from posekit.engine.hooks.defaults import default_hooks, optional_hooks
from posekit.errors import ConfigError

SAMPLER = {"train_dataloader.sampler": {"type": "posekit.datasets.sampler.EpochSampler", "shuffle": True}}
DESCENT = {**SAMPLER, "optim_wrapper.optimizer": {"type": "SGD", "lr": 0.02}, "param_scheduler": []}


def losses(runner):
    return runner.message_hub.log_scalars["train/loss"].data[0]


def log_of(runner):
    return next(runner_log(runner).glob("*.log")).read_text("utf-8")


def test_two_batches_of_four_are_one_of_eight(tmp_path):
    whole = build(tmp_path, DESCENT)
    whole.train()
    halves = {"train_dataloader.batch_size": 4, "optim_wrapper.accumulative_counts": 2}
    parts = build(tmp_path, {**DESCENT, **halves}, work_dir="parts")
    parts.train()
    assert (whole.iter, parts.iter) == (9, 18)
    assert torch.allclose(weights(parts), weights(whole), rtol=1e-5, atol=1e-7)
    unlike = build(tmp_path, {**DESCENT, "train_dataloader.batch_size": 4}, work_dir="unlike")
    unlike.train()
    assert not torch.allclose(weights(unlike), weights(whole), rtol=1e-3)


@pytest.mark.parametrize("name", [*default_hooks(), *optional_hooks()])
def test_every_hook_can_be_left_out(tmp_path, name):
    hook = {**default_hooks(), **optional_hooks()}[name]["type"]
    runner = build(tmp_path, {f"default_hooks.{name}": None})
    assert not any(type(found) is hook for found in runner.hooks)


class Steps(Hook):
    """Measures how far each step moves the weights."""

    def __init__(self):
        self.lengths = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.before = weights(runner)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.lengths.append((weights(runner) - self.before).norm().item())


@pytest.mark.parametrize("wrapper", ["OptimWrapper", "posekit.engine.optim.MixedPrecisionOptimWrapper"])
@pytest.mark.parametrize("bound", [None, 0.5])
def test_clipping_bounds_the_gradient(tmp_path, wrapper, bound):
    options = {**DESCENT, "optim_wrapper.type": wrapper, "optim_wrapper.optimizer.lr": 0.001}
    if bound:
        options["optim_wrapper.clip_grad"] = {"max_norm": bound}
    if wrapper != "OptimWrapper":
        # Gradients are scaled until they are clipped; by so little that none overflows.
        options.update({"optim_wrapper.dtype": "float16", "optim_wrapper.init_scale": 64.0})
    runner, steps = build(tmp_path, options), Steps()
    runner.register_hook(steps)
    runner.train()
    norms = [length / 0.001 for length in steps.lengths]
    if bound:
        assert norms == pytest.approx([bound] * 9, rel=1e-3)
    else:
        assert min(norms) > 1


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return small_training.write_people(tmp_path_factory.mktemp("people"))


def small(folder, people, options=None, work_dir="work", **entries):
    return small_training.build(
        folder, people, {"train_cfg.max_epochs": 1, **(options or {})}, work_dir, **entries
    )


def test_channels_last_changes_the_layout_and_not_the_losses(tmp_path, people):
    slow = {"optim_wrapper.optimizer.lr": 1e-4}  # so that other rounding does not grow
    plain = small(tmp_path, people, slow)
    plain.train()
    turned = small(tmp_path, people, slow, work_dir="turned", channels_last=True)
    assert turned.cfg.model.channels_last is True  # what a test or a predictor builds
    seen = []
    convolution = next(m for m in turned.model.modules() if isinstance(m, torch.nn.Conv2d))
    convolution.register_forward_hook(lambda module, images, out: seen.append(images[0]))
    turned.train()
    wide = [p for p in turned.model.parameters() if p.dim() == 4 and min(p.shape[1:]) > 1]
    assert wide
    for tensor in (*wide, *seen):
        assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert losses(turned) == pytest.approx(losses(plain), rel=1e-3)


def test_computing_again_leaves_every_weight_as_it_is(tmp_path, people):
    plain = small(tmp_path, people)
    plain.train()
    again = small(tmp_path, people, work_dir="again", recompute=["backbone.hg.*", "backbone.layer?"])
    again.train()
    for own, its in zip(again.model.state_dict().values(), plain.model.state_dict().values(), strict=True):
        assert torch.equal(own, its)
    assert "the inner maps of backbone.layer1" in log_of(again)
    assert "the inner maps of" not in log_of(plain)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"recompute": "layers"}, "recompute: expected a list of names"),
        ({"recompute": ["layers.7"]}, "recompute: 'layers.7': expected the name of a part"),
        ({"recompute": ["layers.*"], "compile": True}, "expected one of them"),
        ({"activation_checkpointing": ["layers"]}, "state 'recompute', which takes the same names"),
    ],
)
def test_what_cannot_be_computed_again_is_refused_at_the_start(tmp_path, entries, message):
    with pytest.raises(ConfigError, match=message):
        build(tmp_path, **entries).train()


def test_compiling_leaves_the_losses_as_they_are(tmp_path):
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        pytest.skip("torch.compile needs a C++ compiler on a CPU, and there is none")
    plain = build(tmp_path)
    plain.train()
    compiled = build(tmp_path, {"compile": True}, work_dir="compiled")
    before = compiled.model.forward
    compiled.train()
    assert compiled.model.forward is not before
    assert losses(compiled) == pytest.approx(losses(plain), rel=1e-5)


def test_only_the_losses_are_compiled():
    model = ToyNormModel()
    graphs = []

    def backend(graph, inputs):
        graphs.append(len(inputs))
        return graph.forward

    assert optim.compile_training(model, {"backend": backend})
    fields = (torch.zeros(2, 3, 6, 6, dtype=torch.uint8), torch.zeros(2, 1, 2), *[torch.zeros(2)] * 6)
    with torch.no_grad():
        model(*fields, mode="predict")
    assert graphs == []
    model(*fields, mode="loss")
    assert graphs
    assert list(model.state_dict()) == list(ToyNormModel().state_dict())
    assert not optim.compile_training(model, False)


class Plain(ToyModel):
    def __init__(self):
        super().__init__()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"compile": {"backnd": "eager"}}, "'compile' has an unknown key 'backnd'; did you mean 'backend'"),
        ({"compile": 3}, "compile: expected True, False or a dict"),
        ({"channels_last": "yes"}, "channels_last: expected True or False, found 'yes'"),
        ({"channels_last": True, "model": {"type": Plain}}, "channels_last: this model takes none"),
    ],
)
def test_impossible_settings_end_at_once(tmp_path, option, message):
    with pytest.raises(ConfigError, match=message):
        build(tmp_path, **option)
    assert not (tmp_path / "work").exists()


def test_a_model_that_takes_no_layout_may_be_told_to_leave_it(tmp_path):
    build(tmp_path, channels_last=False, model={"type": Plain}).close()


def test_an_unknown_compiler_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"torch.compile refuses it: Invalid backend: 'nope'"):
        build(tmp_path, {"compile": {"backend": "nope"}}).train()
