"""posekit.transforms: the plan of a crop, its random changes, and the release's half-body boxes."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose

from posekit.errors import ConfigError
from posekit.skeletons import COCO17, MPII16
from posekit.structures import PersonRecord, Skeleton
from posekit.transforms import HRNET_COCO, HRNET_MPII, Augment, Crop, half_body_box

CROP = Crop((256, 192))


def person(labelled: int = 17) -> PersonRecord:
    visible = np.zeros(17, np.uint8)
    visible[:labelled] = 2
    points = np.random.default_rng(3).uniform(20, 80, (17, 2)).astype(np.float32)
    return PersonRecord("a.jpg", 1, 2, np.array([10, 20, 50, 60], np.float32), 1.0, points, visible)


def draws(augment: Augment, number: int = 3000, record: PersonRecord | None = None):
    rng = np.random.default_rng(0)
    return [augment.draw(rng, record or person(), COCO17, CROP) for _ in range(number)]


def test_crop_by_hand():
    placed = Crop((256, 256), aspect=0.75).place(np.array([10, 20, 50, 60]))
    assert_allclose(placed.center, [30, 40])
    assert_allclose(placed.size_wh, [50, 200 / 3])
    assert_allclose(np.diag(Crop((256, 256), aspect=0.75).warp(placed)[:, :2]), [256 / 50, 256 / (200 / 3)])


def test_crop_takes_the_aspect_of_the_input():
    assert CROP.crop_aspect == 0.75
    assert Crop([256, 192]) == CROP  # a config carries lists


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input_size_hw": (256,)}, "'input_size_hw'"),
        ({"input_size_hw": (256, 0)}, "'input_size_hw'"),
        ({"input_size_hw": (256.0, 192)}, "'input_size_hw'"),
        ({"input_size_hw": (64, 64), "aspect": -1}, "'aspect'"),
        ({"input_size_hw": (64, 64), "padding": 0}, "'padding'"),
        ({"input_size_hw": (64, 64), "convention": "x"}, "'convention'"),
    ],
)
def test_wrong_crops_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        Crop(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": (1.2, 0.8)}, "'scale'"),
        ({"scale": 1.5}, "'scale'"),
        ({"rotation": -3}, "'rotation'"),
        ({"sampling": "normal"}, "'sampling'"),
        ({"flip_prob": 1.2}, "'flip_prob'"),
        ({"half_body_prob": -0.1}, "'half_body_prob'"),
    ],
)
def test_wrong_augmentations_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        Augment(**settings)


def test_half_body_needs_an_upper_body():
    with pytest.raises(ConfigError, match="states no 'upper_body'"):
        Augment.hrnet_coco().check_skeleton(Skeleton("dot", ("a",)))
    Augment.hrnet_coco().check_skeleton(MPII16)


def test_the_default_is_the_papers():
    for augment in (Augment(), Augment.paper()):
        drawn = draws(augment)
        scale = np.array([d.size_wh[0] for d in drawn]) / CROP.place(person().box_xyxy).size_wh[0]
        turn = np.array([d.rotation_deg for d in drawn])
        # Uniform: the quarters of the range are equally full.
        assert_allclose(np.histogram(scale, 4, (0.65, 1.35))[0] / 3000, 0.25, atol=0.03)
        assert_allclose(np.histogram(turn, 4, (-30, 30))[0] / 3000, 0.25, atol=0.03)
        assert abs(np.mean([d.flip for d in drawn]) - 0.5) < 0.03
        assert all((d.center == drawn[0].center).all() for d in drawn)


def test_the_releases_sampling():
    drawn = draws(Augment.hrnet_mpii())
    scale = np.array([d.size_wh[0] for d in drawn]) / CROP.place(person().box_xyxy).size_wh[0]
    turn = np.array([d.rotation_deg for d in drawn])
    assert abs(np.mean(turn == 0) - 0.4) < 0.03
    assert (turn.min(), turn.max()) == (-60, 60)
    # clip(1 + 0.25 N, 0.75, 1.25): 2 x 15.9 % of the draws lie on the limits.
    assert scale.min() == pytest.approx(0.75)
    assert scale.max() == pytest.approx(1.25)
    at_limits = np.isclose(scale, 0.75) | np.isclose(scale, 1.25)
    assert abs(at_limits.mean() - 0.317) < 0.03


def test_half_body_only_with_enough_keypoints():
    def moved(record):
        plain = CROP.place(record.box_xyxy).center
        return np.mean([(d.center != plain).any() for d in draws(Augment.hrnet_coco(), 1000, record)])

    assert abs(moved(person(17)) - 0.3) < 0.05
    assert moved(person(8)) == 0  # more than 8 are needed
    assert abs(moved(person(9)) - 0.3) < 0.05


def test_presets_are_the_releases_settings():
    """ROT_FACTOR, SCALE_FACTOR, PROB_HALF_BODY and NUM_JOINTS_HALF_BODY of its configs."""
    coco, mpii = Augment.hrnet_coco(), Augment.hrnet_mpii()
    assert (coco.rotation, coco.scale, coco.rotation_prob, coco.flip_prob) == (45, (0.65, 1.35), 0.6, 0.5)
    assert (coco.half_body_prob, coco.half_body_min_keypoints) == (0.3, 8)
    assert (mpii.rotation, mpii.scale, mpii.rotation_prob, mpii.flip_prob) == (30, (0.75, 1.25), 0.6, 0.5)
    assert mpii.half_body_prob == 0
    assert coco.sampling == mpii.sampling == "clipped_normal"


def test_presets_can_be_changed_and_unpacked():
    assert Augment.hrnet_coco(rotation=10).rotation == 10
    assert vars(Augment(**HRNET_COCO)) == vars(Augment.hrnet_coco())
    assert vars(Augment(**HRNET_MPII)) == vars(Augment.hrnet_mpii())
    assert Augment(scale=0.25).scale == (0.75, 1.25)


def test_same_generator_same_draw():
    one, two = (
        Augment.hrnet_coco().draw(np.random.default_rng((1, 2, 3)), person(), COCO17, CROP) for _ in "ab"
    )
    assert (one.size_wh == two.size_wh).all()
    assert (one.rotation_deg, one.flip) == (two.rotation_deg, two.flip)


def test_half_body_by_hand():
    points = np.array([[0, 0], [10, 0], [5, 20], [100, 100.0]])
    upper = np.array([True, True, True, False])
    box = half_body_box(points, np.ones(4), upper, True, aspect=1.0)
    assert_allclose(box.center, [5, 20 / 3])
    assert_allclose(box.size_wh, [30, 30])  # 20 x 1.5
    # The lower body is preferred but has one keypoint: the upper it is.
    assert_allclose(half_body_box(points, np.ones(4), upper, False, 1.0).center, [5, 20 / 3])
    assert half_body_box(points, np.array([0, 0, 1, 1]), upper, True, 1.0) is None
    assert half_body_box(np.zeros((4, 2)), np.ones(4), upper, True, 1.0) is None  # one point four times


# Keypoints labelled in the upper and in the lower half, and which half is cropped if the upper or the lower
# one is preferred. The release: the upper half if it is preferred and more than 2 of it are labelled, else
# the lower half if more than 2 of it are, else the upper one; and nothing of fewer than 2.
HALVES = [
    (5, 5, "upper", "lower"),
    (3, 3, "upper", "lower"),
    (3, 2, "upper", "upper"),
    (2, 3, "lower", "lower"),
    (2, 2, "upper", "upper"),
    (1, 3, "lower", "lower"),
    (1, 2, None, None),
    (0, 3, "lower", "lower"),
    (0, 2, None, None),
    (2, 0, "upper", "upper"),
    (1, 1, None, None),
]


@pytest.mark.parametrize(("upper", "lower", "preferring_upper", "preferring_lower"), HALVES)
def test_which_half_is_cropped(upper, lower, preferring_upper, preferring_lower):
    mask = np.arange(10) < 5
    # The upper half's keypoints lie at (0, 0) to (4, 4), the lower's at (100, 100) to (104, 104).
    points = np.repeat(np.arange(5) + np.array([[0], [100]]), 2).reshape(10, 2).astype(float)
    visible = np.concatenate([np.arange(5) < upper, np.arange(5) < lower]).astype(int)
    for prefer_upper, half in ((True, preferring_upper), (False, preferring_lower)):
        box = half_body_box(points, visible, mask, prefer_upper, 1.0)
        found = None if box is None else "upper" if box.center[0] < 50 else "lower"
        assert found == half


def test_the_upper_half_is_preferred_as_often_as_in_the_release():
    """Where randn() < 0.5: with probability 0.69."""
    record = person(17)
    augment = Augment.hrnet_coco(half_body_prob=1.0)
    upper = [half_body_box(record.keypoints, record.visible, COCO17.upper_body_mask, True, 0.75)]
    drawn = [np.allclose(d.center, upper[0].center) for d in draws(augment, 4000, record)]
    assert np.mean(drawn) == pytest.approx(0.691, abs=0.025)


@pytest.mark.parametrize("source", ["embedded", "reference"])
@pytest.mark.parametrize("half", ["upper", "lower"])
def test_golden_half_body(source, half):
    if source == "reference":
        golden = reference.load("crop.npz")
    else:
        with np.load(reference.GOLDEN / "crops.npz") as arrays:
            golden = dict(arrays)
    upper = np.arange(golden["halfbody_joints"].shape[1]) <= 10
    for row, valid in enumerate(golden[f"halfbody_{half}__valid"]):
        box = half_body_box(
            golden["halfbody_joints"][row], golden["halfbody_visible"][row], upper, half == "upper", 0.75
        )
        assert (box is not None) == valid
        if box is not None:
            assert_allclose(box.center, golden[f"halfbody_{half}__center"][row], rtol=1e-5)
            assert_allclose(box.size_wh / 200, golden[f"halfbody_{half}__scale"][row], rtol=1e-5)
