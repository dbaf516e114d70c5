"""Landmarks with attributes: the multi-task network, heads of attributes, grey and standardised inputs."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import reference
import torch
from torch import nn
from torch.nn.functional import conv2d, cross_entropy

from posekit.datasets.faces.mtfl import MIRROR
from posekit.errors import CheckpointError, ConfigError
from posekit.models import TCDCN, AttributeHead, CoordinateHead, L2Loss, PoseEstimator
from posekit.models.attribute_head import check_attributes
from posekit.models.normalisation import standardised
from posekit.models.pretrained import PretrainedFile, starting_later
from posekit.models.tcdcn import LocalConv2d
from posekit.structures import blank_sample

LANDMARKS = {"type": "CoordinateHead", "loss": {"type": "L2Loss"}, "loss_unit": 40}
ATTRIBUTES = {
    **{
        name: {"type": "AttributeHead", "column": name, "classes": 2}
        for name in ("gender", "smile", "glasses")
    },
    "pose": {"type": "AttributeHead", "column": "pose", "classes": 5, "flip_pairs": [(1, 5), (2, 4)]},
}
WEIGHTS = {"landmarks": 1.0, "gender": 0.1, "smile": 0.1, "glasses": 0.1, "pose": 0.3}


def network(variant="eccv2014", points="mtfl5", attributes=ATTRIBUTES, weights=WEIGHTS, **backbone):
    head = {"type": "MultiHead", "heads": {"landmarks": LANDMARKS, **attributes}, "weights": weights}
    return PoseEstimator(
        {"type": "TCDCN", "variant": variant, **backbone},
        head,
        points,
        channel_order="grey",
        normalisation="per_image",
    )


def faces(side=40, count=3, **extra):
    image = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
    labels = {name: torch.tensor([1, 2, -1])[:count] for name in ATTRIBUTES}
    return blank_sample(image, 5)._replace(
        weight=torch.ones(count, 5),
        keypoints=torch.full((count, 5, 2), 20.0),
        warp=torch.eye(2, 3, dtype=torch.float64).repeat(count, 1, 1),
        extra={**labels, **extra},
    )


# --- network ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "table", "count"),
    [("eccv2014", "tcdcn_eccv2014", 79_357), ("tpami", "tcdcn_tpami_60x60", 288_413)],
)
def test_layers_and_parameters_are_the_tables(variant, table, count):
    model = network(variant)
    assert sum(p.numel() for p in model.parameters()) == count
    own = {name: sum(p.numel() for p in part.parameters()) for name, part in model.backbone.named_children()}
    own |= {name: sum(p.numel() for p in part.parameters()) for name, part in model.head.heads.items()}
    stated = reference.load_json("facenets.json")[table]
    names = {"fc1": "fc"}
    assert own == {names.get(r["layer"], r["layer"]): r["parameters"] for r in stated["layers"]}
    assert model.backbone.side == stated["input"][1]


def test_each_layer_is_the_absolute_hyperbolic_tangent_and_is_pooled():
    """The paper's order, tanh before the maximum; the network's gives the same."""
    net, image = TCDCN(), torch.randn(2, 1, 40, 40)
    maps = image
    for number in range(1, 5):
        maps = getattr(net, f"conv{number}")(maps).tanh().abs()
        maps = nn.functional.max_pool2d(maps, 2) if number < 4 else maps
    assert maps.shape == (2, 64, 2, 2)
    expected = net.fc(maps.flatten(1)).tanh().abs()
    (found,) = net(image)
    torch.testing.assert_close(found, expected[..., None, None], rtol=0, atol=1e-6)


def test_an_unshared_convolution_has_weights_of_its_own_in_each_cell():
    layer, maps = LocalConv2d(3, 4, 2, 2), torch.randn(2, 3, 3, 3)
    nn.init.normal_(layer.bias)
    found = layer(maps)
    for row in range(2):
        for column in range(2):
            kernel = layer.weight[2 * row + column].reshape(4, 3, 2, 2)
            cell = conv2d(
                maps[:, :, row : row + 2, column : column + 2], kernel, layer.bias[:, 2 * row + column]
            )
            torch.testing.assert_close(found[:, :, row, column], cell[..., 0, 0])
    layer.weight.data[:] = layer.weight.data[:1]
    layer.bias.data[:] = layer.bias.data[:, :1]
    shared = conv2d(maps, layer.weight[0].reshape(4, 3, 2, 2), layer.bias[:, 0])
    torch.testing.assert_close(layer(maps), shared)
    # Four cells of 16,448 numbers each, in the place of one.
    assert sum(p.numel() for p in network(local=True).parameters()) == 79_357 + 3 * 16_448


def test_the_network_refuses_what_it_was_not_made_for():
    with pytest.raises(ConfigError, match="unknown variant 'x'; expected one of"):
        TCDCN("x")
    with pytest.raises(ConfigError, match=r"\(1, 40, 40\) .* found \(1, 60, 60\)"):
        TCDCN()(torch.zeros(1, 1, 60, 60))
    with pytest.raises(ConfigError, match=r"found \(3, 40, 40\); state channel_order='grey'"):
        TCDCN()(torch.zeros(1, 3, 40, 40))


# --- grey, each by its own -------------------------------------------------------------------------------


def test_grey_is_the_luma_and_each_image_has_mean_0_and_deviation_1():
    image = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    image[1] = image[1] // 4 + 100  # of less contrast, brighter
    grey = (image.double() * torch.tensor([0.299, 0.587, 0.114]).double()[:, None, None]).sum(dim=1)
    found = standardised(image, "grey")
    assert found.shape == (2, 1, 8, 8)
    for own, of in zip(found[:, 0].double(), grey, strict=True):
        torch.testing.assert_close(own, (of - of.mean()) / of.std(correction=0), rtol=1e-4, atol=1e-4)
    colours = standardised(image, "bgr")
    torch.testing.assert_close(colours, standardised(image, "rgb").flip(1))
    torch.testing.assert_close(colours.mean(dim=(1, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)


def test_an_image_of_one_colour_becomes_zeros():
    assert standardised(torch.full((1, 3, 4, 4), 77, dtype=torch.uint8), "grey").abs().max() < 1e-3


def test_grey_by_fixed_levels():
    settings = {"channel_order": "grey", "mean": [100.0], "std": [50.0]}
    model = PoseEstimator({"type": "TCDCN"}, LANDMARKS, "mtfl5", **settings)
    image = torch.full((1, 3, 40, 40), 150, dtype=torch.uint8)
    torch.testing.assert_close(model.normalise(image), torch.ones(1, 1, 40, 40))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"channel_order": "grey"},
            r"model.mean: expected one number, \[grey\], or normalisation='per_image'",
        ),
        ({"channel_order": "gray"}, "model.channel_order: expected one of .*'grey'.*, found 'gray'"),
        ({"normalisation": "zscore"}, "model.normalisation: expected one of .*'per_image'.*, found 'zscore'"),
        ({"mean": [1.0]}, "model.mean: expected three numbers"),
    ],
)
def test_normalisations_that_there_are_not(settings, message):
    with pytest.raises(ConfigError, match=message):
        PoseEstimator({"type": "TCDCN"}, LANDMARKS, "mtfl5", **settings)


def test_a_predictor_feeds_it_as_a_training_does():
    from posekit.inference.network import load_network
    from posekit.transforms import Crop

    model = network().eval()
    quick = load_network(model, None, Crop((40, 40))).quickened().estimator
    one, other = model(*faces(), mode="predict")[0], quick(*faces(), mode="predict")[0]
    assert one.extra.keys() == other.extra.keys()
    sample = faces()
    torch.testing.assert_close(
        model.outputs(model.normalise(sample.image))["pose"],
        quick.outputs(quick.normalise(sample.image))["pose"],
    )


# --- landmarks -------------------------------------------------------------------------------------------


def test_a_pixel_in_one_coordinate_is_half_its_square_over_40():
    head = CoordinateHead(1, 5, L2Loss(), loss_unit=40)
    sample = faces(count=1)
    outputs = (sample.keypoints / 39).clone()
    outputs[0, 2, 1] += 1 / 39
    assert head.loss([outputs], sample)["loss"].item() == pytest.approx(1 / 3200, rel=1e-4)


def test_landmarks_by_tanh_begin_in_the_middle_and_stay_within():
    head = CoordinateHead(4, 5, L2Loss(), tanh=True)
    assert torch.allclose(head([torch.zeros(2, 4, 1, 1)])[0], torch.tensor(0.5))
    far = head([torch.full((1, 4, 1, 1), 1e6)])[0]
    assert far.abs().max() <= 1
    assert far.min() < 0


@pytest.mark.parametrize("unit", [0, -1, math.inf, True, "40"])
def test_units_that_there_are_not(unit):
    with pytest.raises(ConfigError, match="'loss_unit' must be a number of pixels above 0"):
        CoordinateHead(1, 5, L2Loss(), loss_unit=unit)


# --- attributes ------------------------------------------------------------------------------------------


def test_people_of_unknown_label_teach_nothing():
    head, sample = AttributeHead(4, "pose", 5), faces(pose=torch.tensor([1, 5, -1]))
    maps = torch.randn(3, 4, 2, 2, requires_grad=True)
    outputs = head([maps])
    loss = head.loss(outputs, sample)["loss"]
    expected = cross_entropy(outputs[0][:2], torch.tensor([0, 4]), reduction="sum") / 3
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert maps.grad[2].abs().max() == 0
    nobody = head.loss(outputs, faces(pose=torch.tensor([-1, -1, -1])))["loss"]
    assert nobody.item() == 0
    assert head.known(sample).tolist() == [True, True, False]


def test_a_label_and_the_probabilities_of_the_classes_are_predicted():
    head = AttributeHead(1, "glasses", 2, first=0)
    logits = torch.tensor([[0.0, 1.0], [3.0, 0.0]])
    found = head.predict(logits, faces(count=2)).extra
    assert found["glasses"].tolist() == [1, 0]
    probability = 1 / (1 + math.exp(-1))
    np.testing.assert_allclose(found["glasses_probabilities"][0], [1 - probability, probability], rtol=1e-6)


def test_the_mirror_image_of_a_pose_is_that_of_the_table():
    head = AttributeHead(1, "pose", 5, flip_pairs=[(1, 5), (2, 4)])
    for label in range(1, 6):
        logits = nn.functional.one_hot(torch.tensor([label - 1]), 5).float()
        turned = head.flip(logits, [0], (40, 40)).argmax().item() + 1
        assert turned == MIRROR["pose"].get(label, label)


def test_mirror_images_are_averaged_with_their_poses_turned():
    """A network that sees nothing but which half is brighter, and says pose 1 or 5 of it."""

    class Side(nn.Module):
        out_channels = 2

        def forward(self, image):
            half = image.shape[3] // 2
            left, right = image[..., :half].mean(dim=(1, 2, 3)), image[..., half:].mean(dim=(1, 2, 3))
            return torch.stack([left - right, right - left], dim=1)[..., None, None]

    heads = {"landmarks": LANDMARKS, "pose": ATTRIBUTES["pose"]}
    model = PoseEstimator(Side(), {"type": "MultiHead", "heads": heads}, "mtfl5").eval()
    layer = model.head.heads["pose"].layers[-1]
    layer.weight.data.zero_()
    layer.weight.data[0, 0] = layer.weight.data[4, 1] = 1.0
    sample = faces(count=2)
    sample.image[0, :, :, :20], sample.image[0, :, :, 20:] = 250, 10
    sample.image[1] = sample.image[0].flip(2)
    assert [int(pose.extra["pose"]) for pose in model(*sample, mode="predict")] == [1, 5]
    outputs = model.outputs(model.normalise(sample.image))["pose"]
    model.flip_test = False
    torch.testing.assert_close(outputs, model.outputs(model.normalise(sample.image))["pose"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": 1}, "'classes' must be a whole number above 1, found 1"),
        ({"first": -1}, r"'first' must be a whole number >= 0 \(-1 is unknown\), found -1"),
        ({"flip_pairs": [(1, 3)]}, "pairs of different labels from 1 to 2"),
        ({"flip_pairs": [(1, 1)]}, "pairs of different labels"),
        ({"flip_pairs": [(1, 2), (2, 1)]}, "each once"),
        ({"label_smoothing": 1.0}, "'label_smoothing' must be in 0..1"),
    ],
)
def test_settings_of_an_attribute_out_of_range(settings, message):
    with pytest.raises(ConfigError, match=message):
        AttributeHead(4, "smile", **{"classes": 2, **settings})


def test_a_column_that_the_data_set_lacks_is_named():
    head = AttributeHead(1, "hat", 2)
    with pytest.raises(ConfigError, match=r"a column 'hat' of whole numbers, found .*'gender'"):
        head.loss(head([torch.zeros(3, 1, 1, 1)]), faces())


@pytest.mark.parametrize(
    ("columns", "mirror", "message"),
    [
        ({}, {}, "expected a column 'pose' of whole numbers of a.csv, found \\[\\]"),
        (
            {"pose": np.array([1, 6])},
            {"pose": {1: 5, 2: 4, 4: 2, 5: 1}},
            r"labels \[1, 2, 3, 4, 5\].*found 6",
        ),
        (
            {"pose": np.array([1, -1])},
            {},
            r"mirrors column 'pose' by {}, the head by {1: 5, 2: 4, 4: 2, 5: 1}",
        ),
        ({"pose": np.array([0.5])}, {}, "of whole numbers"),
    ],
)
def test_a_head_is_compared_with_the_table(columns, mirror, message):
    head = AttributeHead(1, "pose", 5, flip_pairs=[(1, 5), (2, 4)])
    with pytest.raises(ConfigError, match=message):
        check_attributes([head], columns, mirror, "a.csv")
    check_attributes([head], {"pose": np.array([1, 5, -1])}, MIRROR, "a.csv")


# --- several tasks ---------------------------------------------------------------------------------------


def test_losses_have_their_weights_and_a_weight_of_0_teaches_nothing():
    torch.manual_seed(0)
    model, sample = network(), faces()
    reports = model.head.unweighted(model.stages(model.normalise(sample.image)), sample)
    losses = model.loss(sample)
    for name, weight in WEIGHTS.items():
        torch.testing.assert_close(losses[f"{name}.loss"], weight * reports[name]["loss"])
    model.head.weights["pose"] = 0.0
    model.loss(sample)["pose.loss"].backward()
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in model.parameters())
    with pytest.raises(ConfigError, match="expected one above 0"):
        network(weights=dict.fromkeys(WEIGHTS, 0))
    with pytest.raises(ConfigError, match=r"weights.pose: expected a number >= 0, found -1"):
        network(weights={**WEIGHTS, "pose": -1})


@pytest.mark.parametrize("name", ["resnet10t"])
def test_the_same_design_on_any_backbone(name):
    head = {"type": "MultiHead", "heads": {"landmarks": LANDMARKS, **ATTRIBUTES}, "weights": WEIGHTS}
    backbone = {"type": "TimmBackbone", "name": name, "decoder": "none", "stride": 32}
    model = PoseEstimator(backbone, head, "mtfl5").eval()
    (pose, *_) = model(*faces(64), mode="predict")
    assert pose.extra["pose_probabilities"].shape == (5,)
    assert pose.keypoints.shape == (5, 2)


# --- from 5 points to 68 ---------------------------------------------------------------------------------


def saved(path, model):
    torch.save({"state_dict": model.state_dict()}, path)
    return str(path)


def points68(path, parts=("conv1.", "conv2.", "conv3."), **settings):
    start = {"type": PretrainedFile, "path": path, "parts": list(parts), "strict": True, **settings}
    backbone = {"type": "TCDCN", "pretrained": start}
    return PoseEstimator(backbone, LANDMARKS, "ibug68", channel_order="grey", normalisation="per_image")


def test_exactly_the_first_three_layers_are_kept(tmp_path):
    torch.manual_seed(0)
    five = network()
    path = saved(tmp_path / "five.pth", five)
    torch.manual_seed(1)
    with starting_later():
        fresh = points68(path)
    before = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    fresh.init_weights()
    after, kept = fresh.state_dict(), five.state_dict()
    names = {f"backbone.conv{n}.{kind}" for n in (1, 2, 3) for kind in ("weight", "bias")}
    for name, tensor in after.items():
        assert torch.equal(tensor, (kept if name in names else before)[name])
    assert not torch.equal(after["backbone.conv4.weight"], kept["backbone.conv4.weight"])
    assert fresh.start.words.startswith("6 weights of ")
    assert "conv3." in fresh.start.words


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["conv1.", "conv5."], "nothing in this TCDCN begins with 'conv5.'; .*its parts are .*'conv4'"),
        (["conv1"], "[]"),
        ([""], "pretrained.parts: expected a list of beginnings of names"),
        ("conv1.", "pretrained.parts: expected a list of beginnings of names, found 'conv1.'"),
    ],
)
def test_a_part_that_matches_nothing_is_told(tmp_path, parts, message):
    path = saved(tmp_path / "five.pth", network())
    if message == "[]":
        points68(path, parts)
        return
    start = {"type": PretrainedFile, "path": path, "parts": parts, "strict": True}
    with pytest.raises((CheckpointError, ConfigError), match=message):
        PoseEstimator({"type": "TCDCN", "pretrained": start}, LANDMARKS, "ibug68", channel_order="grey",
                      normalisation="per_image")  # fmt: skip


def test_a_file_of_another_network_is_told(tmp_path):
    with pytest.raises(CheckpointError, match=r"its parts .* do not fit:(.|\n)*conv1.weight"):
        points68(saved(tmp_path / "sixty.pth", network("tpami")))
    other = SimpleNamespace(state_dict=lambda: {"backbone.stem.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"nothing in the backbone of .* begins with 'conv1.'"):
        points68(saved(tmp_path / "other.pth", other))
    with pytest.raises(CheckpointError, match="expected one of a posekit training"):
        points68(
            saved(tmp_path / "bare.pth", SimpleNamespace(state_dict=lambda: {"conv1.weight": torch.zeros(1)}))
        )
    broken = network()
    broken.backbone.conv2.bias.data[0] = math.nan
    with pytest.raises(CheckpointError, match="NaN or infinite"):
        points68(saved(tmp_path / "nan.pth", broken))


def test_the_whole_backbone_is_taken_where_no_parts_are_stated(tmp_path):
    five = network()
    fresh = points68(saved(tmp_path / "five.pth", five), parts=())
    assert torch.equal(fresh.backbone.fc.weight, five.backbone.fc.weight)
    with pytest.raises(CheckpointError, match=r"its backbone is not this TCDCN(.|\n)*parts="):
        points68(saved(tmp_path / "local.pth", network(local=True)), parts=())
