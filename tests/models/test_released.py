"""Released checkpoints: every form is recognised, every key accounted for, the golden heatmaps come out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import reference
import timm
import torch
import torchvision
from models import plain_networks, recipe, release_files, released

from posekit.codecs import MSRACodec
from posekit.errors import CheckpointError
from posekit.models import (
    Head,
    HeatmapHead,
    Hourglass,
    HRNet,
    MSELoss,
    MultiHead,
    PoseEstimator,
    SimpleBaseline,
    TimmBackbone,
)
from posekit.models.released import describe, load_into

KINDS = {"hrnet": HRNet, "simple": SimpleBaseline, "hg": Hourglass, "hourglass": Hourglass}


def estimator(kind, keypoints=3, **options):
    """A pose network as a config builds it."""
    head = {"type": HeatmapHead, "codec": {"type": MSRACodec}, "loss": {"type": MSELoss}}
    skeleton = {"name": "dots", "keypoints": [f"k{i}" for i in range(keypoints)]}
    return PoseEstimator({"type": kind, **options}, head, skeleton).eval()


# --- golden heatmaps --------------------------------------------------------------------------------------


def full_size(name):
    """The network of a reference row and its weights by the release's names."""
    row = released.facts(name)
    kind, size = name.split("_")[:2]
    options = {
        "hrnet": {"variant": size},
        "simple": {"depth": int(size[1:]) if kind == "simple" else 0},
        "hg": {"stacks": int(size[1:]) if kind == "hg" else 0},
    }[kind]
    values = {
        key: recipe.weight(key, tuple(shape), row["salt"], row["gain"])
        for key, shape, _ in released.keys(name)
    }
    assert recipe.crc32(values) == row["weights_crc32"]
    weights = {key: torch.from_numpy(np.asarray(value)) for key, value in values.items()}
    return estimator(KINDS[kind], row["output_shapes"][0][1], **options), weights


@pytest.mark.parametrize("name", released.names(""))
def test_a_released_file_gives_the_golden_heatmaps(name, tmp_path):
    row = released.facts(name)
    model, weights = full_size(name)
    for case, (form, write) in release_files.WRITERS[name.split("_")[0]].items():
        path = tmp_path / "file.pth"
        write(weights, path)
        for stale in model.state_dict().values():
            stale.zero_()
        report = load_into(model, path)
        assert report.form == form, case
        found = model.state_dict()
        assert set(report.loaded) | set(report.kept) == set(found)
        for own in found:
            key = own.removeprefix("head." if own.startswith("head.") else "backbone.")
            assert torch.equal(found[own], weights[key]), (case, own)
    with torch.no_grad():
        image = recipe.image(name, tuple(row["input_shape"]), row["salt"])
        heatmaps = [stage.numpy() for stage in model.stages(image)]
    released.check_outputs(name, heatmaps, atol=10 * row["float32_vs_float64_max_abs_diff"])


def small(name):
    """A row of ``plain_networks.SMALL`` as an estimator, and its weights by the release's names."""
    _, options, _ = plain_networks.SMALL[name]
    options = {key: value for key, value in options.items() if key != "num_maps"}
    values = plain_networks.build(name)[1]
    weights = {key: torch.from_numpy(np.asarray(value)) for key, value in values.items()}
    return estimator(KINDS[name.split("_")[0]], plain_networks.NUM_MAPS, **options), weights


CASES = [
    (name, case)
    for name in plain_networks.SMALL
    for case in release_files.WRITERS[name.split("_")[0].replace("hourglass", "hg")]
]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_small_file_gives_the_golden_heatmaps(name, case, tmp_path):
    model, weights = small(name)
    form, write = release_files.WRITERS[name.split("_")[0].replace("hourglass", "hg")][case]
    write(weights, tmp_path / "file.pth.tar")
    report = load_into(model, tmp_path / "file.pth.tar")
    assert report.form == form
    assert report.left_over == (
        ("data_preprocessor.mean", "data_preprocessor.std") if form == "mmpose 1.x" else ()
    )
    without_counters = form == "simplebaseline release" and case == "release"
    assert all(key.endswith("num_batches_tracked") for key in report.kept)
    assert bool(report.kept) == without_counters
    assert set(report.loaded).isdisjoint(report.kept)
    assert set(report.loaded) | set(report.kept) == set(model.state_dict())
    image = recipe.image(name, (1, 3, *plain_networks.SMALL[name][2]), plain_networks.SALT)
    with torch.no_grad():
        found = torch.cat(model.stages(image)).numpy()
    with np.load(reference.GOLDEN / "networks.npz") as golden:
        np.testing.assert_allclose(found, golden[f"{name}__stacks"], rtol=0, atol=2e-6)


def test_a_simple_baseline_fits_timms_resnet_too(tmp_path):
    weights = {
        key: torch.randn(value.shape) if value.ndim == 4 else value
        for key, value in SimpleBaseline(18).state_dict().items()
    }
    weights.update({"final_layer.weight": torch.randn(3, 256, 1, 1), "final_layer.bias": torch.randn(3)})
    release_files.mmpose_0(weights, tmp_path / "r18.pth")
    own, timms = (
        estimator(SimpleBaseline, depth=18),
        estimator(TimmBackbone, name="resnet18", decoder="deconv"),
    )
    reports = [load_into(model, tmp_path / "r18.pth") for model in (own, timms)]
    assert [report.form for report in reports] == ["mmpose 0.x"] * 2
    assert not reports[1].left_over + reports[1].kept
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        one, two = own.stages(image)[0], timms.stages(image)[0]
    assert one.abs().max() > 0
    torch.testing.assert_close(one, two)


# --- what does not fit --------------------------------------------------------------------------------------


def refused(model, path, message, **options):
    """Asserts the refusal and that the model is as it was."""
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=f"(?s){message}"):
        load_into(model, path, **options)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.fixture
def w8_file(tmp_path):
    release_files.hrnet_release(small("hrnet_w8")[1], tmp_path / "w8.pth")
    return tmp_path / "w8.pth"


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        (HRNet, {"variant": "w16-small"}, r"an HRNet-W16-small with 3 heatmaps.*keys of another shape"),
        (
            Hourglass,
            {"stacks": 1, "features": 16},
            r"an Hourglass \(1 stack, 1 block, 16 features\) with 3 heat",
        ),
        (SimpleBaseline, {"depth": 18, "width": 8}, "a SimpleBaseline ResNet-18 with 3 heatmaps.*missing"),
        (TimmBackbone, {"name": "mobilenetv2_100"}, "a TimmBackbone network with 3 heatmaps.*unexpected"),
    ],
)
def test_another_network_is_described(w8_file, kind, options, expected):
    message = (
        rf"w8\.pth was made for another architecture: it is an HRNet-W8 with 3 heatmaps.*expected {expected}"
    )
    refused(estimator(kind, **options), w8_file, message)
    refused(estimator(kind, **options), w8_file, message, allow_head=True)


def test_weights_that_are_no_numbers_are_refused(w8_file):
    weights = torch.load(w8_file, weights_only=True)
    weights["final_layer.bias"][1:] = torch.tensor([float("nan"), float("-inf")])
    torch.save(weights, w8_file)
    message = r"w8\.pth: expected finite weights, found 2 of 3 values in 'head.final_layer.bias' that are NaN"
    refused(estimator(HRNet, variant="w8"), w8_file, message + r" or infinite; it is of a training that div")
    # A head that is not loaded does not matter.
    load_into(estimator(HRNet, keypoints=17, variant="w8"), w8_file, allow_head=True)
    weights["bn1.running_var"][0] = float("inf")
    torch.save(weights, w8_file)
    message = r"1 of 16 values in 'backbone.bn1.running_var' that are NaN or infinite, and in 1 more keys"
    refused(estimator(HRNet, variant="w8"), w8_file, message)


def test_only_the_head_differs(w8_file):
    weights = small("hrnet_w8")[1]
    model = estimator(HRNet, keypoints=17, variant="w8")
    refused(
        model,
        w8_file,
        r"expected an HRNet-W8 with 17 heatmaps.*final_layer.weight  expected 17x8x1x1, found 3x8x1x1"
        r".*Only the head differs \(head\.\): the rest can start a training, by 'load_from'.*allow_head=True",
    )
    head = model.head.final_layer.weight.clone()
    report = load_into(model, w8_file, allow_head=True)
    assert report.left_over == ("final_layer.weight", "final_layer.bias")
    assert report.kept == ("head.final_layer.weight", "head.final_layer.bias")
    assert len(report.loaded) == len(model.state_dict()) - 2
    assert torch.equal(model.head.final_layer.weight, head)
    assert torch.equal(model.backbone.conv1.weight, weights["conv1.weight"])
    assert str(report).startswith("hrnet release form, 348 keys loaded, 2 left over (final_layer.weight, ")


def test_the_same_keypoints_in_another_order_are_refused(tmp_path):
    model = estimator(HRNet, variant="w8")
    skeleton = {"name": "dots", "keypoints": ["k1", "k0", "k2"]}
    saved = {"state_dict": model.state_dict(), "meta": {"skeleton": skeleton}}
    torch.save(saved, tmp_path / "other.pth")
    refused(model, tmp_path / "other.pth", r"made for the keypoints \['k1', 'k0', 'k2'\], .*another order")


def test_as_many_keypoints_of_other_names_are_said(tmp_path):
    model = estimator(HRNet, variant="w8")
    for names, said in ((["K0", "k1", "k2"], 0), (["nose", "tail", "paw"], 1), (["a", "b"], 0)):
        saved = {"state_dict": model.state_dict(), "meta": {"skeleton": {"name": "dots", "keypoints": names}}}
        torch.save(saved, tmp_path / "other.pth")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            load_into(model, tmp_path / "other.pth")
        assert sum("made for the keypoints ['nose', 'tail', 'paw']" in str(w.message) for w in caught) == said


def test_one_head_of_several_takes_the_files(w8_file):
    """Keypoints beside something else: the released head goes where it fits, the other keeps its start."""
    weights = small("hrnet_w8")[1]
    head = {"type": HeatmapHead, "codec": {"type": MSRACodec}, "loss": {"type": MSELoss}}
    skeleton = {"name": "dots", "keypoints": ["k0", "k1", "k2"]}
    heads = {"label": {"type": Label}, "pose": head}
    model = PoseEstimator({"type": HRNet, "variant": "w8"}, {"type": MultiHead, "heads": heads}, skeleton)
    refused(model, w8_file, r"Only the head differs \(head\.heads\.label\.\)")
    start = model.head.heads["label"].linear.weight.clone()
    report = load_into(model, w8_file, allow_head=True)
    assert torch.equal(model.head.heads["pose"].final_layer.weight, weights["final_layer.weight"])
    assert torch.equal(model.head.heads["label"].linear.weight, start)
    assert report.left_over == ()
    assert set(report.random) == {"head.heads.label.linear.weight", "head.heads.label.linear.bias"}
    # Its own checkpoint has both.
    torch.save(model.state_dict(), w8_file.with_name("both.pth"))
    assert load_into(model, w8_file.with_name("both.pth")).kept == ()


class Label(Head):
    """Another head: loading weights must call nothing of it."""

    def __init__(self, in_channels, **_):
        super().__init__()
        self.linear = torch.nn.Linear(in_channels, 2)

    def forward(self, maps):
        raise NotImplementedError

    loss = predict = flip = forward


def test_an_hourglass_of_other_keypoints(tmp_path):
    release_files.pytorch_pose(small("hourglass_s2")[1], tmp_path / "hg.pth.tar")
    model = estimator(Hourglass, keypoints=5, stacks=2, features=16, depth=2)
    refused(
        model, tmp_path / "hg.pth.tar", r"2 stacks, 1 block, 16 features\) with 3 heatmaps.*Only the head"
    )
    report = load_into(model, tmp_path / "hg.pth.tar", allow_head=True)
    assert {key.split(".")[1] for key in report.kept} == {"score", "score_"}
    assert set(report.left_over) == {key.removeprefix("backbone.") for key in report.kept}


def test_a_missing_and_an_unexpected_key_of_the_trunk(tmp_path):
    model, weights = small("hrnet_w8")
    weights["neck.weight"] = weights.pop("stage2.0.branches.0.0.conv1.weight")
    release_files.hrnet_release(weights, tmp_path / "odd.pth")
    message = (
        r"1 of 350 keys missing.*backbone.stage2.0.branches.0.0.conv1.weight  8x8x3x3.*"
        r"1 of 350 keys unexpected.*backbone.neck.weight  8x8x3x3"
    )
    refused(model, tmp_path / "odd.pth", message, allow_head=True)


def test_whole_numbers_are_no_weights(tmp_path):
    model, weights = small("hrnet_w8")
    spoilt = {key: (value * 100).long() for key, value in weights.items()}
    release_files.hrnet_release(spoilt, tmp_path / "int.pth")
    message = (
        r"int\.pth does not fit this PoseEstimator: it is an HRNet-W8 with 3 heatmaps \(hrnet release\) too"
        r".*of another kind of numbers.*backbone.conv1.weight  expected real numbers, found whole numbers"
    )
    refused(model, tmp_path / "int.pth", message)


def test_pretrained_says_what_a_foreign_file_is(tmp_path):
    release_files.pytorch_pose(small("hourglass_s2")[1], tmp_path / "hg.pth.tar")
    is_it = (
        r"it is an Hourglass \(2 stacks, 1 block, 16 features\) with 3 heatmaps \(pytorch-pose hourglass\)"
    )
    for build in (
        lambda file: HRNet("w8", pretrained=file),
        lambda file: SimpleBaseline(18, pretrained=file),
        lambda file: TimmBackbone("resnet18", pretrained=file),
    ):
        with pytest.raises(CheckpointError, match=rf"(?s)hg\.pth\.tar does not fit .*: {is_it}:\n.*missing"):
            build(tmp_path / "hg.pth.tar")


def test_mmposes_hourglass_is_another_network(tmp_path):
    for head, form in (
        ("keypoint_head.multi_final_layers.0", r"0\.x"),
        ("head.multi_final_layers.0", r"1\.x"),
    ):
        keys = [
            "backbone.stem.0.conv.weight",
            "backbone.hourglass_modules.0.up1.0.conv1.weight",
            f"{head}.weight",
        ]
        torch.save({"state_dict": dict.fromkeys(keys, torch.zeros(1)), "meta": {}}, tmp_path / "hg52.pth")
        message = rf"hg52\.pth: is MMPose's HourglassNet \(mmpose {form}\).*another architecture than.*Newell"
        refused(estimator(Hourglass, stacks=1, features=8), tmp_path / "hg52.pth", message)


def test_an_unknown_network_is_said_to_be_unknown(tmp_path):
    torch.save(
        {"state_dict": {"encoder.weight": torch.zeros(2), "fc9.bias": torch.zeros(1)}}, tmp_path / "x.pth"
    )
    message = (
        r"a network unknown to posekit \('encoder.weight', 'fc9.bias'.*of no known form; known are .*mmpose"
    )
    refused(estimator(HRNet, variant="w8"), tmp_path / "x.pth", message)


def test_two_keys_of_one_name(tmp_path):
    both = {"head.final_layer.bias": torch.zeros(3), "keypoint_head.final_layer.bias": torch.zeros(3)}
    torch.save(both, tmp_path / "twice.pth")
    message = "'keypoint_head.final_layer.bias' and 'head.final_layer.bias' are both head.final_layer.bias"
    refused(estimator(HRNet, variant="w8"), tmp_path / "twice.pth", message)
    torch.save({"module.a": torch.zeros(1), "a": torch.zeros(1)}, tmp_path / "twice.pth")
    refused(estimator(HRNet, variant="w8"), tmp_path / "twice.pth", "differ only by 'module.'")


@pytest.mark.parametrize(
    ("kind", "options", "phrase"),
    [
        (HRNet, {"variant": "w48"}, "an HRNet-W48 with 17 heatmaps"),
        (HRNet, {"variant": "w18-small"}, "an HRNet-W18-small with 17 heatmaps"),
        (SimpleBaseline, {"depth": 101, "width": 8}, "a SimpleBaseline ResNet-101 with 17 heatmaps"),
        (
            Hourglass,
            {"stacks": 8, "blocks": 2, "features": 8},
            "an Hourglass (8 stacks, 2 blocks, 8 features) with",
        ),
        (TimmBackbone, {"name": "resnet34"}, "a ResNet-34, of timm, with 17 heatmaps"),
    ],
)
def test_networks_are_described(kind, options, phrase):
    assert describe(estimator(kind, keypoints=17, **options).state_dict()).startswith(phrase)


# --- classifiers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("classifier", "kind", "options", "form", "left_over"),
    [
        (torchvision.models.resnet18, SimpleBaseline, {"depth": 18}, "torchvision", {"fc"}),
        (torchvision.models.resnet18, TimmBackbone, {"name": "resnet18"}, "torchvision", {"fc"}),
        (
            torchvision.models.mobilenet_v2,
            TimmBackbone,
            {"name": "mobilenetv2_100"},
            "torchvision",
            {"features", "classifier"},
        ),
        (
            lambda: timm.create_model("mobilenetv2_100"),
            TimmBackbone,
            {"name": "mobilenetv2_100"},
            "timm",
            {"conv_head", "bn2", "classifier"},
        ),
        (
            lambda: timm.create_model("vit_tiny_patch16_224"),
            TimmBackbone,
            {"name": "vit_tiny_patch16_224", "decoder": "deconv"},
            "timm",
            {"head"},
        ),
        (
            lambda: timm.create_model("hrnet_w18_small"),
            HRNet,
            {"variant": "w16-small"},
            "hrnet imagenet",
            {"incre_modules", "downsamp_modules", "final_layer", "classifier", "stage4"},
        ),
    ],
)
def test_a_classifier_starts_the_trunk(tmp_path, classifier, kind, options, form, left_over):
    weights = classifier().state_dict()
    torch.save(weights, tmp_path / "imagenet.pth")
    model = estimator(kind, **options)
    refused(model, tmp_path / "imagenet.pth", "Only the head differs")
    report = load_into(model, tmp_path / "imagenet.pth", allow_head=True)
    assert report.form == form
    assert {key.split(".")[0] for key in report.left_over} == left_over
    assert len(report.loaded) + len(report.left_over) == len(weights)
    assert all(key.startswith(("head.", "backbone.de")) for key in report.kept)
    stem = next(key for key, value in weights.items() if value.ndim == 4)
    assert any(torch.equal(value, weights[stem]) for value in model.state_dict().values())


@pytest.mark.parametrize("write", [release_files.posekit, release_files.mmpose_0, release_files.mmpose_1])
def test_pretrained_takes_the_trunk_of_an_estimators_file(tmp_path, write):
    weights = small("hrnet_w8")[1]
    write(weights, tmp_path / "pose.pth")
    found = HRNet("w8", pretrained=tmp_path / "pose.pth").state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in found.items())
