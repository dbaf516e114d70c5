"""What an estimator asks of backbones and heads, and several heads on one backbone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from posekit.codecs import MSRACodec
from posekit.errors import ConfigError
from posekit.models import Head, HeatmapHead, Hourglass, MSELoss, MultiHead, PoseEstimator, Prediction
from posekit.structures import blank_sample

SKELETON = {"name": "three", "keypoints": ["left", "right", "nose"], "flip_pairs": [["left", "right"]]}
POSE = {"type": HeatmapHead, "codec": {"type": MSRACodec}, "loss": {"type": MSELoss}}


class Colour(nn.Module):
    """The image, as a map of three channels at a quarter of its side."""

    out_channels = 3

    def forward(self, image):
        return nn.functional.avg_pool2d(image, 4)


class Stacked(Colour):
    def forward(self, image):
        maps = super().forward(image)
        return [maps, maps + 1]


class Mean(Head):
    """The mean of the map, as it stands."""

    def __init__(self, in_channels, num_keypoints, name="mean", keypoints=False):
        super().__init__()
        self.name, self.keypoints, self.seen = name, keypoints, (in_channels, num_keypoints)

    def forward(self, maps):
        return [maps[-1].mean(dim=(2, 3))]

    def loss(self, stages, sample):
        assert len(stages) == 1
        return {"loss": stages[-1].mean(), "spread": stages[-1].std()}

    def flip(self, outputs, flip_index, input_size_hw):
        return outputs + input_size_hw[1]

    def predict(self, outputs, sample):
        points = torch.zeros(len(outputs), 3, 2) if self.keypoints else None
        return Prediction(points, extra={self.name: outputs})


def estimator(backbone=None, head=None, **settings):
    return PoseEstimator(backbone or Colour(), head or {"type": Mean}, SKELETON, **settings).eval()


def batch(count=2, size=(64, 48)):
    image = torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=torch.manual_seed(0))
    return blank_sample(image, 3)._replace(
        keypoints=torch.full((count, 3, 2), 20.0),
        weight=torch.ones(count, 3),
        warp=torch.eye(2, 3, dtype=torch.float64).repeat(count, 1, 1),
    )


# --- one head ------------------------------------------------------------------------------------------


def test_a_head_gets_what_its_constructor_names_and_its_outputs_ride_to_the_pose():
    model = estimator(flip_test=False)
    assert model.head.seen == (3, 3)
    sample = batch()
    poses = model(*sample, mode="predict")
    expected = model.normalise(sample.image).mean(dim=(2, 3))
    np.testing.assert_allclose(np.stack([pose.extra["mean"] for pose in poses]), expected, rtol=1e-4)
    assert [pose.keypoints.shape for pose in poses] == [(0, 2)] * 2
    assert model.describe()["codec"] == "none"


def test_the_mirror_image_is_turned_back_by_the_head_before_it_is_averaged():
    sample = batch()
    plain, flipped = (estimator(flip_test=flip).outputs(sample.image.float()) for flip in (False, True))
    torch.testing.assert_close(flipped, plain + 48 / 2)  # a mean does not change; the head adds the width


def test_a_head_without_scores_is_sure():
    pose = estimator(head={"type": Mean, "keypoints": True})(*batch(1), mode="predict")[0]
    assert pose.scores.tolist() == [1, 1, 1]


def test_scales_are_for_heads_that_can():
    with pytest.raises(ConfigError, match=r"test_scales: Mean cannot average over scales; expected \[1.0\]"):
        estimator(test_scales=(1.0, 0.5))


# --- contracts -----------------------------------------------------------------------------------------


def test_a_backbone_may_give_a_tensor_and_need_not_say_what_it_is_not():
    assert estimator(head=POSE)(batch().image)[-1].shape == (2, 3, 16, 12)
    assert len(estimator(Stacked(), POSE)(batch().image)) == 2


class Nothing(Colour):
    def forward(self, image):
        return {"map": image}


class Unsized(nn.Module):
    pass


def test_a_backbone_that_gives_no_maps_is_told_so():
    with pytest.raises(ConfigError, match=r"Nothing: expected a map \(B, C, h, w\) or a list .* found dict"):
        estimator(Nothing())(batch().image)
    with pytest.raises(ConfigError, match=r"Unsized.out_channels: expected how many channels .* found None"):
        estimator(Unsized())


def test_what_is_no_head_is_refused():
    with pytest.raises(ConfigError, match=r"model.head: a Linear is no head: it has no \['loss', 'flip',"):
        estimator(head=nn.Linear(3, 3))
    with pytest.raises(ConfigError, match=r"model.head.type: is missing"):
        estimator(head={"codec": None})
    with pytest.raises(ConfigError, match=r"model.head.type: no class is registered as 'Haed'"):
        estimator(head={"type": "Haed"})


def test_heatmaps_are_for_heads_that_take_them():
    with pytest.raises(ConfigError, match="Hourglass emits heatmaps, which Mean does not take"):
        estimator({"type": Hourglass, "stacks": 1, "features": 8, "depth": 2})


def test_a_heatmap_head_needs_keypoints():
    with pytest.raises(ConfigError, match="a HeatmapHead needs keypoints; the skeleton has none"):
        PoseEstimator(Colour(), POSE, "none")


# --- several -------------------------------------------------------------------------------------------


def several(weights=None, **more):
    return {"type": MultiHead, "heads": {"pose": POSE, "mean": {"type": Mean}, **more}, "weights": weights}


def test_losses_are_named_weighted_and_each_heads_stages_its_own():
    model, sample = estimator(Stacked(), several({"mean": 0.25})), batch()
    report = model(*sample, mode="loss")
    assert set(report) == {
        "pose.loss", "pose.stack_0", "pose.stack_1", "pose.acc_pose", "mean.loss", "mean.spread",
    }  # fmt: skip
    alone = estimator(Stacked())(*sample, mode="loss")
    assert report["mean.loss"] == 0.25 * alone["loss"]
    assert report["mean.spread"] == alone["spread"]
    total, _ = model.parse_losses(report)
    assert total == report["pose.loss"] + report["mean.loss"]


def test_predictions_are_joined_and_the_heatmaps_are_those_of_the_head_alone():
    torch.manual_seed(0)
    both = estimator(head=several())
    alone = estimator(head=both.head.heads["pose"])
    sample = batch()
    for one, other in zip(both(*sample, mode="predict"), alone(*sample, mode="predict"), strict=True):
        assert np.array_equal(one.keypoints, other.keypoints)
        assert np.array_equal(one.scores, other.scores)
        assert set(one.extra) == {"mean"}
    image = both.normalise(sample.image)
    assert torch.equal(both.heatmaps(image), alone.heatmaps(image))
    assert both.describe()["codec"] == alone.describe()["codec"]


def test_an_hourglass_emits_the_maps_of_the_head_that_takes_heatmaps():
    backbone = {"type": Hourglass, "stacks": 2, "features": 8, "depth": 2}
    model = estimator(backbone, several())
    stages = model(batch().image)
    assert [set(stage) for stage in stages] == [{"pose"}, {"pose", "mean"}]
    assert stages[0]["pose"].shape == (2, 3, 16, 12)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"heads": {}}, "expected name -> head"),
        ({"heads": {"a.b": POSE}}, "'a.b': expected a plain name"),
        ({"heads": {"loss_of": POSE}}, "'loss_of': expected a plain name without 'loss'"),
        ({"weights": {"smile": 1}}, r"weights: names 'smile', not among the heads \['mean', 'pose'\]"),
        ({"weights": {"mean": -1}}, r"weights.mean: expected a number >= 0, found -1"),
        ({"weights": {"pose": 0, "mean": 0}}, r"weights: expected one above 0"),
        ({"heads": {"mean": nn.Identity()}}, r"heads.mean: a Identity is no head"),
    ],
)
def test_impossible_heads(changes, words):
    with pytest.raises(ConfigError, match=words):
        estimator(head={**several(), **changes})


def test_two_heads_that_say_the_same_are_refused():
    for more, words in (({}, r"\['mean'\]"), ({"name": "m", "keypoints": True}, "keypoints")):
        model = estimator(head=several(again={"type": Mean, **more}))
        with pytest.raises(ConfigError, match=f"two heads predict {words}"):
            model(*batch(), mode="predict")
