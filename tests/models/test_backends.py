"""Backends of a network that predicts: the same numbers, or words that say they are others, or a refusal."""

from __future__ import annotations

import copy
import sys

import pytest
import torch
from torch import nn

from posekit.codecs import MSRACodec
from posekit.datasets import COCO17
from posekit.errors import CheckpointError, ConfigError
from posekit.models import HeatmapHead, Hourglass, HRNet, MSELoss, MultiHead, PoseEstimator, TimmBackbone
from posekit.models import backends as module
from posekit.models.backends import BACKENDS, check_backend, with_backend
from posekit.models.mobile import Conv2dSame
from posekit.models.trial import macs_of

SIZE = (64, 64)
HEAD = {"type": HeatmapHead, "codec": {"type": MSRACodec}, "loss": {"type": MSELoss}}
HRNET = {"type": HRNet, "variant": "w8"}
HOURGLASS = {"type": Hourglass, "stacks": 2, "features": 8}
IMAGE = torch.randint(0, 256, (3, 3, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
BF16 = torch.cpu._is_avx512_bf16_supported()


def build(backbone=HRNET, head=HEAD, **settings) -> PoseEstimator:
    torch.manual_seed(0)
    estimator = PoseEstimator(backbone, head, COCO17, **settings).eval()
    for part in estimator.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 1.5)
        elif isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)
    return estimator


def outputs(estimator: PoseEstimator, image=IMAGE):
    with torch.no_grad():
        return estimator.outputs(estimator.normalise(image))


def difference(expected, found) -> float:
    return float((expected - found).abs().max() / expected.abs().max())


def onnx() -> None:
    pytest.importorskip("onnx", reason="needs onnx, of the test extra")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra onnx")


@pytest.mark.parametrize("backend", ["folded", "onnx"])
@pytest.mark.parametrize("backbone", [HRNET, HOURGLASS, {"type": TimmBackbone, "name": "mobilenetv2_100"}])
def test_numbers_are_the_networks_own(backend, backbone):
    if backend == "onnx":
        onnx()
    estimator = build(backbone)
    before = copy.deepcopy(estimator)
    quick = with_backend(estimator, backend, SIZE)
    assert quick is not estimator
    assert 0 < difference(outputs(estimator), outputs(quick)) < 1e-4
    one = IMAGE[:1]
    assert difference(outputs(estimator, one), outputs(quick, one)) < 1e-4
    # The network itself is what it was, in its layout too.
    assert estimator.run is None
    assert estimator.memory_format == torch.contiguous_format
    for (name, expected), found in zip(
        before.state_dict().items(), estimator.state_dict().values(), strict=True
    ):
        assert torch.equal(expected, found), name
        assert expected.stride() == found.stride(), name
    assert estimator.describe().get("backend") is None
    assert quick.describe()["backend"] == BACKENDS[backend]


class Plain(nn.Module):
    """Nothing to fold."""

    out_channels, emits_heatmaps = 4, False

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 4, 1)

    def forward(self, image):
        return [self.conv(image)]


def test_a_network_with_nothing_to_fold_stays_as_it_is():
    estimator = build(Plain())
    stride = estimator.backbone.conv.weight.stride()
    quick = with_backend(estimator, "folded", SIZE)
    assert quick.backbone.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert estimator.backbone.conv.weight.stride() == stride
    assert (estimator.memory_format, estimator.backend_words) == (torch.contiguous_format, "")
    assert difference(outputs(estimator), outputs(quick)) < 1e-4


def test_on_a_cpu_channels_come_last():
    quick = with_backend(build(), "folded", SIZE)
    assert quick.normalise(IMAGE).is_contiguous(memory_format=torch.channels_last)
    weights = [part.weight for part in quick.modules() if isinstance(part, nn.Conv2d)]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in quick.modules())


def test_eager_is_the_network_itself():
    estimator = build()
    assert with_backend(estimator, "eager", SIZE) is estimator


@pytest.mark.skipif(not BF16, reason="this processor has no instructions for bfloat16")
def test_bfloat16_says_that_its_numbers_are_others():
    estimator = build()
    quick = with_backend(estimator, "bf16", SIZE)
    found = outputs(quick)
    assert found.dtype == torch.float32
    assert 1e-4 < difference(outputs(estimator), found) < 0.05
    assert "differ" in quick.describe()["backend"]
    assert {part.weight.dtype for part in quick.modules() if isinstance(part, nn.Conv2d)} == {torch.bfloat16}


def test_bfloat16_is_refused_where_it_would_be_slow(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    with pytest.raises(ConfigError, match="bf16: this processor has no instructions"):
        with_backend(build(), "bf16", SIZE)


def compiled_by(monkeypatch, change):
    """In place of the compiler, which takes minutes: a function of what the network gives."""
    asked = []

    def compile_(stages):
        def run(image):
            asked.append(len(image))
            return [change(stage) for stage in stages(image)]

        return run

    monkeypatch.setattr(torch, "compile", compile_)
    return asked


def test_compiled(monkeypatch):
    estimator, asked = build(), compiled_by(monkeypatch, lambda stage: stage)
    quick = with_backend(estimator, "compile", SIZE)
    asked.clear()
    assert difference(outputs(estimator), outputs(quick)) < 1e-4
    outputs(quick, IMAGE[:1])
    assert asked == [3, 3]  # with the mirror images; one alone is not compiled for


def test_what_gives_other_numbers_is_refused(monkeypatch):
    compiled_by(monkeypatch, lambda stage: stage * 1.001)
    with pytest.raises(ConfigError, match="compile: gives other numbers"):
        with_backend(build(), "compile", SIZE)


def test_without_a_compiler(monkeypatch):
    def fail(_):
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nand much more")

    compiled_by(monkeypatch, fail)
    with pytest.raises(ConfigError, match=r"cannot compile the network: .* No working C.. compiler found$"):
        with_backend(build(), "compile", SIZE)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_onnx(monkeypatch, package):
    onnx()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CheckpointError, match=r"pip install 'posekit\[onnx\]'"):
        with_backend(build(), "onnx", SIZE)


def test_onnx_takes_several_scales_heads_and_copies():
    onnx()
    head = {"type": MultiHead, "heads": {"a": HEAD, "b": HEAD}}
    estimator = build(head=head)
    expected, found = outputs(estimator), outputs(with_backend(estimator, "onnx", SIZE))
    assert list(found) == list(expected)
    assert all(difference(expected[name], found[name]) < 1e-4 for name in expected)
    scaled = build(test_scales=(1.0, 1.5))
    quick = with_backend(scaled, "onnx", SIZE)
    assert difference(outputs(scaled), outputs(quick)) < 1e-4
    assert sorted(quick.run._sessions) == [(64, 64), (96, 96)]
    assert copy.deepcopy(quick).run is quick.run


@pytest.mark.parametrize("name", ["fast", "Folded", None, 3])
def test_names(name):
    with pytest.raises(ConfigError, match="here: expected one of eager, folded, bf16, compile, onnx"):
        check_backend(name, "here")


def test_macs_follow_the_size_and_change_nothing():
    estimator = build().train()
    frozen = next(part for part in estimator.modules() if isinstance(part, nn.BatchNorm2d)).eval()
    before = copy.deepcopy(estimator.state_dict())
    small, large = macs_of(estimator, (64, 64)), macs_of(estimator, (128, 192))
    assert large == 6 * small
    assert estimator.training
    assert not frozen.training
    assert all(torch.equal(value, before[name]) for name, value in estimator.state_dict().items())


class OddSides(nn.Module):
    """Pads as TensorFlow does; of a side of 25 cells that is otherwise than of 24."""

    out_channels = 8

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 4, 4), Conv2dSame(8, 8, 3, 2, bias=False), nn.BatchNorm2d(8)
        )

    def forward(self, image):
        return self.layers(image)


def test_a_network_on_odd_sides_is_tried_on_those():
    head = HeatmapHead(8, 17, MSRACodec(), MSELoss())
    estimator = PoseEstimator(OddSides(), head, COCO17).eval()
    image = torch.randn(1, 3, 100, 100)
    with torch.no_grad():
        expected, found = (
            network.outputs(image) for network in (estimator, with_backend(estimator, "folded", (100, 100)))
        )
    assert found.shape == expected.shape == (1, 17, 13, 13)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * expected.abs().max().item())


class OneSize(nn.Module):
    """A network that takes one size of input, and refuses others with an assertion, as some do."""

    out_channels, input_divisor = 4, 4

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, stride=4, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, image):
        assert image.shape[-2:] == SIZE, "input size does not match"
        return self.norm(self.convolution(image))


def test_a_network_of_one_size_is_folded_and_counted():
    estimator = build(OneSize())
    assert macs_of(estimator, SIZE) > 0
    assert macs_of(estimator, (128, 128)) is None
    assert difference(outputs(estimator), outputs(with_backend(estimator, "folded", SIZE))) < 1e-4


def test_a_network_with_a_backend_gets_no_second_one():
    quick = build()
    quick.run, quick.backend_words = quick.stages, "a way of its own"
    for backend in BACKENDS:
        with pytest.raises(ConfigError, match="has a backend already \\(a way of its own\\)"):
            with_backend(quick, backend, SIZE)
