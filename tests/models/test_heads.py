"""The heatmap head: its layer, its losses over stacks, and which codecs and losses go together."""

from __future__ import annotations

import pytest
import torch
from mmengine.model import BaseModel

from posekit.codecs import DarkCodec, MegviiCodec, MSRACodec, UDPCodec, UDPOffsetCodec
from posekit.errors import ConfigError
from posekit.models.heads import HeatmapHead
from posekit.models.losses import (
    COCO17_KEYPOINT_WEIGHTS,
    AdaptiveWingLoss,
    FocalMSELoss,
    JointsMSELoss,
    MSELoss,
    OHKMMSELoss,
    mse_loss,
)
from posekit.models.offset_losses import LabelAndOffsetLoss, UDPOffsetLoss
from posekit.structures import blank_sample

INPUT_HW, MAP_HW = (64, 48), (16, 12)
CODECS = [MSRACodec(), DarkCodec(), UDPCodec(), UDPOffsetCodec(), MegviiCodec()]
LOSSES = [
    MSELoss(),
    FocalMSELoss(),
    JointsMSELoss(),
    OHKMMSELoss(topk=3),
    AdaptiveWingLoss(),
    UDPOffsetLoss(),
]
NO_SENSE = {("AdaptiveWingLoss", "MegviiCodec")} | {
    ("UDPOffsetLoss", type(codec).__name__) for codec in CODECS if codec.maps_per_keypoint == 1
}


def batch(points, weight):
    image = torch.zeros(len(points), 3, *INPUT_HW, dtype=torch.uint8)
    return blank_sample(image, points.shape[1])._replace(keypoints=points, weight=weight)


def _head(**settings):
    defaults = {
        "in_channels": 3,
        "num_keypoints": 3,
        "codec": {"type": "MSRACodec"},
        "loss": {"type": "MSELoss"},
        "emits_heatmaps": True,
    }
    return HeatmapHead(**{**defaults, **settings})


def test_layer_is_the_hrnet_releases():
    head = _head(in_channels=32, emits_heatmaps=False)
    assert {name: tuple(tensor.shape) for name, tensor in head.state_dict().items()} == {
        "final_layer.weight": (3, 32, 1, 1),
        "final_layer.bias": (3,),
    }
    assert 5e-4 < head.final_layer.weight.std().item() < 2e-3
    assert torch.count_nonzero(head.final_layer.bias) == 0
    maps = [torch.rand(2, 32, 16, 12)]
    heatmaps = head(maps)
    expected = torch.einsum("kc,bchw->bkhw", head.final_layer.weight.flatten(1), maps[0])
    torch.testing.assert_close(heatmaps[0], expected)
    assert _head(in_channels=32, emits_heatmaps=False, kernel_size=3)(maps)[0].shape == (2, 3, 16, 12)


def test_emitted_heatmaps_pass_through():
    maps = [torch.rand(1, 3, 16, 12), torch.rand(1, 3, 16, 12)]
    assert all(torch.equal(a, b) for a, b in zip(_head()(maps), maps, strict=True))
    assert not _head().state_dict()


def test_loss_sums_the_stacks_and_keeps_their_names_from_mmengine():
    head, points, weight = (
        _head(),
        torch.tensor([[[8.0, 8], [20, 40], [40, 20]]]),
        torch.tensor([[1.0, 1, 0]]),
    )
    target, drawn = head.codec.encode(points, weight, INPUT_HW, MAP_HW)
    stacks = [target + 0.1, target + 0.2]
    report = head.loss(stacks, batch(points, weight))
    # Two of three keypoints count: 2/3 of 0.1^2 and of 0.2^2.
    assert report["stack_0"].item() == pytest.approx(0.02 / 3, rel=1e-5)
    assert report["stack_1"].item() == pytest.approx(0.08 / 3, rel=1e-5)
    assert report["loss"].item() == pytest.approx(0.1 / 3, rel=1e-5)
    assert report["acc_pose"].item() == 1
    assert torch.equal(drawn, weight)
    parsed, log = BaseModel.parse_losses(None, dict(report))
    assert parsed.item() == pytest.approx(0.1 / 3, rel=1e-5), "the stacks are not added once more"
    assert set(log) == {"loss", "stack_0", "stack_1", "acc_pose"}
    assert set(head.loss(stacks[:1], batch(points, weight))) == {"loss", "acc_pose"}


def test_accuracy_is_the_last_stacks():
    head, points = _head(), torch.tensor([[[8.0, 8], [20, 40], [40, 20]]])
    right, _ = head.codec.encode(points, torch.ones(1, 3), INPUT_HW, MAP_HW)
    wrong = right.roll(3, dims=-1)
    for stacks, expected in (([wrong, right], 1), ([right, wrong], 0)):
        assert head.loss(stacks, batch(points, torch.ones(1, 3)))["acc_pose"].item() == expected


def test_a_keypoint_whose_target_leaves_the_map_is_not_learnt():
    head, prediction = _head(), torch.rand(1, 3, 16, 12)
    points = torch.tensor([[[8.0, 8], [-300, 40], [40, 20]]])
    alone = torch.tensor([[1.0, 0, 1]])
    expected = head.loss([prediction], batch(points, alone))["loss"]
    assert torch.equal(head.loss([prediction], batch(points, torch.ones(1, 3)))["loss"], expected)


def test_keypoint_weights_multiply_the_samples_weights():
    head = _head(num_keypoints=17, in_channels=17, keypoint_weights=COCO17_KEYPOINT_WEIGHTS)
    points, weight = torch.rand(2, 17, 2) * 40, torch.ones(2, 17)
    target, _ = head.codec.encode(points, weight, INPUT_HW, MAP_HW)
    prediction = torch.rand(2, 17, 16, 12)
    expected = mse_loss(prediction, target, torch.tensor([COCO17_KEYPOINT_WEIGHTS] * 2))
    torch.testing.assert_close(head.loss([prediction], batch(points, weight))["loss"], expected)
    assert not head.state_dict(), "the factors belong to the config, not to the checkpoint"


def test_decoding_and_flip_are_the_codecs():
    head = _head()
    points = torch.tensor([[[8.0, 8], [20, 40], [40, 20]]])
    target, _ = head.codec.encode(points, torch.ones(1, 3), INPUT_HW, MAP_HW)
    decoded, scores = head.decode(target, INPUT_HW)
    torch.testing.assert_close(decoded, points)
    torch.testing.assert_close(scores, torch.ones(1, 3))
    predicted = head.predict(target, batch(points, torch.ones(1, 3)))
    assert torch.equal(predicted.points, decoded)
    assert torch.equal(predicted.scores, scores)
    assert predicted.extra == {}
    assert torch.equal(head.flip(target, [0, 2, 1], INPUT_HW), head.codec.flip_back(target, [0, 2, 1]))


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: type(codec).__name__)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_every_codec_and_loss_that_make_sense_take_a_step(codec, loss):
    settings = {"in_channels": 8, "codec": codec, "loss": loss, "emits_heatmaps": False}
    if (type(loss).__name__, type(codec).__name__) in NO_SENSE:
        with pytest.raises(ConfigError, match=f"{type(loss).__name__} with {type(codec).__name__}"):
            _head(**settings)
        return
    torch.manual_seed(0)
    head = _head(**settings)
    maps, points = [torch.rand(2, 8, *MAP_HW)], torch.rand(2, 3, 2) * 40
    optimiser = torch.optim.SGD(head.parameters(), lr=1e-4)
    before = head.loss(head(maps), batch(points, torch.ones(2, 3)))["loss"]
    before.backward()
    optimiser.step()
    after = head.loss(head(maps), batch(points, torch.ones(2, 3)))["loss"]
    assert after < before
    assert head.final_layer.weight.grad.abs().amin(dim=(1, 2, 3)).gt(0).all(), "every map is trained"
    decoded, scores = head.decode(head(maps)[-1], INPUT_HW)
    assert decoded.shape == (2, 3, 2)
    assert decoded.isfinite().all()
    assert scores.isfinite().all()


def test_a_plain_loss_is_paired_with_the_offset_term():
    head = _head(codec=UDPOffsetCodec(), loss=FocalMSELoss(), in_channels=9)
    assert isinstance(head.loss_function, LabelAndOffsetLoss)
    assert isinstance(
        _head(codec=UDPOffsetCodec(), loss=UDPOffsetLoss(), in_channels=9).loss_function, UDPOffsetLoss
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"in_channels": 4}, "emits 4 heatmaps, but MSRACodec needs 3 for 3 keypoints"),
        ({"codec": {"type": "UDPOffsetCodec"}}, "emits 3 heatmaps, but UDPOffsetCodec needs 9"),
        ({"kernel_size": 2}, "'kernel_size' must be odd, found 2"),
        ({"loss": {"type": "OHKMMSELoss", "topk": 8}}, "keeps 8 keypoints, there are 3"),
        ({"loss": {"type": "UDPOffsetLoss"}}, "needs offset maps"),
        (
            {"codec": {"type": "MegviiCodec"}, "loss": {"type": "AdaptiveWingLoss"}},
            "up to 1, the codec's reach 255",
        ),
        ({"keypoint_weights": [1, 2]}, "expected 3 'keypoint_weights', found 2"),
    ],
)
def test_impossible_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        _head(**settings)
