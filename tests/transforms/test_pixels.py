"""posekit.transforms.pixels: what is drawn, that nothing else is, and whose fault a bad change is."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from datasets.augmented_people import make
from numpy.testing import assert_array_equal
from torch.utils.data import DataLoader, RandomSampler

from posekit.datasets import EpochSampler, SampleKey
from posekit.errors import ConfigError
from posekit.transforms import Pixels

EFFECTS = ("occlude", "erase", "jitter", "grey", "blur", "motion", "noise", "jpeg")
OFF = {f"{name}_prob": 0.0 for name in EFFECTS}
ALWAYS = {f"{name}_prob": 1.0 for name in EFFECTS}


def picture():
    smooth = np.linspace(20, 220, 48 * 40 * 3).reshape(48, 40, 3)
    return (smooth + np.random.default_rng(0).normal(0, 10, smooth.shape)).clip(0, 255).astype(np.uint8)


def changed(pixels, seed=0):
    return pixels(picture(), np.random.default_rng(seed))


# --- what is drawn ---------------------------------------------------------------------------------------


def test_nothing_happens_where_all_is_off():
    for seed in range(20):
        assert_array_equal(changed(Pixels(**OFF), seed), picture())


@pytest.mark.parametrize("name", EFFECTS)
def test_each_effect_happens_as_often_as_stated(name):
    assert all((changed(Pixels(**{**OFF, f"{name}_prob": 1.0}), s) != picture()).any() for s in range(30))
    some = Pixels(**{**OFF, f"{name}_prob": 0.3})
    share = np.mean([(changed(some, seed) != picture()).any() for seed in range(600)])
    assert share == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("name", EFFECTS)
def test_what_an_effect_draws_is_the_same_without_the_others(name, monkeypatch):
    def told(pixels):
        calls = []

        def tell(image, *numbers):
            calls.append(numbers)
            return image

        for other in EFFECTS:
            monkeypatch.setattr(pixels, f"_{other}", tell if other == name else lambda image, *_: image)
        for seed in range(20):
            changed(pixels, seed)
        return calls

    alone = told(Pixels(**{**OFF, f"{name}_prob": 0.5}))
    assert alone == told(Pixels(**{**ALWAYS, f"{name}_prob": 0.5}))
    assert 3 < len(set(alone)) == len(alone)


@pytest.mark.parametrize("seed", range(5))
def test_a_generator_says_it_all_and_the_picture_given_stays(seed):
    for pixels in (Pixels(), Pixels(**ALWAYS)):
        given = picture()
        one = pixels(given, np.random.default_rng(seed))
        assert_array_equal(given, picture())
        assert_array_equal(one, changed(pickle.loads(pickle.dumps(pixels)), seed))
        assert (one.shape, one.dtype) == ((48, 40, 3), np.uint8)


def test_ranges_are_kept_and_used_in_full(monkeypatch):
    seen = {name: [] for name in ("blur", "jpeg", "recolour", "motion_blur", "erase", "occlude", "add_noise")}
    for name, calls in seen.items():
        monkeypatch.setattr(
            f"posekit.transforms.effects.{name}", lambda image, *a, calls=calls: calls.append(a) or image
        )
    pixels = Pixels(**ALWAYS, jpeg_quality=(30, 33), brightness=0.2, hue=10, occluders=(1, 3))
    for seed in range(400):
        changed(pixels, seed)

    def between(values, low, high):
        assert low <= min(values) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < max(values) <= high

    assert {quality for (quality,) in seen["jpeg"]} == {30, 31, 32, 33}
    assert {length for length, _ in seen["motion_blur"]} == set(range(3, 10))
    assert {len(shares) for shares, _ in seen["occlude"]} == {1, 2, 3}
    between([sigma for (sigma,) in seen["blur"]], 0.3, 2.0)
    between([factors[0] for factors in seen["recolour"]], 0.8, 1.2)
    between([factors[2] for factors in seen["recolour"]], 0.5, 1.5)
    between([factors[3] for factors in seen["recolour"]], -10, 10)
    between([angle for _, angle in seen["motion_blur"]], 0, 180)
    between([share for share, _ in seen["erase"]], 0.02, 0.15)
    between([std for std, _ in seen["add_noise"]], 2, 12)
    between([share for shares, _ in seen["occlude"] for share in shares.ravel()], 0.1, 0.35)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"blur_prob": 1.2}, "'blur_prob' must be in 0..1, found 1.2"),
        ({"jitter_prob": "often"}, "'jitter_prob' must be in 0..1, found 'often'"),
        ({"noise_prob": float("nan")}, "'noise_prob'"),
        ({"grey_prob": True}, "'grey_prob'"),
        ({"brightness": (1.2, 0.8)}, r"'brightness' must be a range \(low, high\) within 0..100"),
        ({"saturation": 1.5}, "'saturation'"),
        ({"contrast": "much"}, "'contrast'"),
        ({"hue": -3}, "'hue' must be in 0..180 degrees, found -3"),
        ({"blur_sigma": (0, 1)}, "'blur_sigma'"),
        ({"blur_sigma": 2}, "'blur_sigma'"),
        ({"motion_length": (3, 4.5)}, r"'motion_length' must be a range \(low, high\) of whole numbers"),
        ({"noise_std": (1, 2, 3)}, "'noise_std'"),
        ({"jpeg_quality": (0, 50)}, r"'jpeg_quality' .* within 1..100, found \(0, 50\)"),
        ({"erase_area": (0.1, 1.1)}, "'erase_area'"),
        ({"occluders": (0, 2)}, "'occluders'"),
        ({"occluder_size": (0.2, float("nan"))}, "'occluder_size'"),
    ],
)
def test_wrong_settings_are_named(setting, message):
    with pytest.raises(ConfigError, match=f"pixels: {message}"):
        Pixels(**setting)


# --- in a data set ---------------------------------------------------------------------------------------


def fields_of(one):
    return {name: np.asarray(value).tobytes() for name, value in one._asdict().items() if name != "extra"}


def test_all_but_the_pixels_is_as_without(tmp_path):
    without, within = make(tmp_path), make(tmp_path, pixels=Pixels(**ALWAYS))
    for key in (SampleKey(3, epoch, row) for epoch in range(3) for row in range(3)):
        one, other = fields_of(without[key]), fields_of(within[key])
        assert one.pop("image") != other.pop("image")
        assert one == other
    assert within[0].image.flags["C_CONTIGUOUS"]


def test_switched_off_the_pictures_are_the_same_to_the_bit(tmp_path):
    """Also where effects might happen and none does: the way there and back changes nothing."""
    without = make(tmp_path)
    for pixels in (None, [], Pixels(**OFF), lambda image, rng: image):
        within = make(tmp_path, pixels=pixels)
        for row in range(3):
            key = SampleKey(1, 2, row)
            assert fields_of(without[key]) == fields_of(within[key])


def test_epochs_rows_and_seeds_draw_anew(tmp_path):
    data = make(tmp_path, pixels=lambda image, rng: np.full_like(image, rng.integers(256)))
    keys = [SampleKey(seed, epoch, row) for seed in (0, 1) for epoch in range(3) for row in range(3)]
    drawn = [int(data[key].image[0, 0, 0]) for key in keys]
    assert len(set(drawn)) > 14
    assert drawn == [int(data[key].image[0, 0, 0]) for key in keys]


def images_of(loader):
    return {
        int(i): image.numpy().tobytes() for b in loader for i, image in zip(b.person_id, b.image, strict=True)
    }


def test_workers_samplers_and_order_change_nothing(tmp_path):
    data = make(tmp_path, pixels=Pixels(**ALWAYS))
    expected = {201 + row: data[SampleKey(0, 0, row)].image.tobytes() for row in range(3)}
    for workers, sampler in ((0, EpochSampler(data)), (2, EpochSampler(data)), (1, None)):
        again = make(tmp_path, pixels=Pixels(**ALWAYS))
        chosen = RandomSampler(again) if sampler is None else sampler
        assert images_of(DataLoader(again, 2, sampler=chosen, num_workers=workers)) == expected


def test_streams_are_not_the_geometrys(tmp_path):
    """Nor is one change's another's."""
    seen = []

    def tell(image, rng):
        seen.append(rng.random(4).tolist())
        return image

    data = make(tmp_path, pixels=[tell, tell])
    data[SampleKey(0, 0, 0)]
    geometry = np.random.default_rng((0, 0, 0)).random(4).tolist()
    assert len({tuple(numbers) for numbers in (*seen, geometry)}) == 3
    alone = make(tmp_path, pixels=tell)
    alone[SampleKey(0, 0, 0)]
    assert seen[2] == seen[0]


def test_changes_come_one_after_the_other_on_rgb(tmp_path):
    def red(image, rng):
        image[..., 0] = 200
        return image

    def halve(image, rng):
        return image // 2

    found = make(tmp_path, pixels=[red, halve])[0].image
    assert (found[0] == 100).all()
    assert (make(tmp_path, pixels=(halve, red))[0].image[0] == 200).all()


def test_settings_name_changes(tmp_path):
    settings = [{"jpeg_prob": 1.0}, {"type": "Pixels", **OFF}, {"type": Dim, "by": 3}]
    data = make(tmp_path, pixels=settings)
    assert [type(change) for change in data.pixels.changes] == [Pixels, Pixels, Dim]
    assert make(tmp_path, pixels={}).pixels.changes[0].jpeg_prob == Pixels().jpeg_prob
    pickle.loads(pickle.dumps(data))[0]


class Dim:
    def __init__(self, by):
        self.by = by

    def __call__(self, image, rng):
        return image // self.by


@pytest.mark.parametrize(
    ("misbehaving", "found"),
    [
        (lambda image, rng: image[:8], r"uint8 \(8, 12, 3\)"),
        (lambda image, rng: image / 255, r"float64 \(16, 12, 3\)"),
        (lambda image, rng: image[..., 0], r"uint8 \(16, 12\)"),
        (lambda image, rng: None, "None"),
        (lambda image, rng: image.tolist(), "list"),
    ],
)
def test_changes_that_return_something_else_are_named(tmp_path, misbehaving, found):
    found = r"\[\[\[" if found == "list" else found
    data = make(tmp_path, pixels=[Pixels(**OFF), misbehaving])
    with pytest.raises(
        ConfigError, match=rf"'pixels': <lambda>: expected an image uint8 \(16, 12, 3\).*{found}"
    ):
        data[0]


def test_turned_views_are_no_fault(tmp_path):
    plain = make(tmp_path)[0].image
    assert_array_equal(
        make(tmp_path, pixels=lambda image, rng: image[::-1, ::-1])[0].image, plain[:, ::-1, ::-1]
    )


@pytest.mark.parametrize("pixels", [3, "Pixels", [Pixels(), 3]])
def test_what_cannot_be_called_is_refused(tmp_path, pixels):
    with pytest.raises(ConfigError, match=r"'pixels' must be Pixels, a function \(image, rng\) -> image"):
        make(tmp_path, pixels=pixels)


def test_misspelt_settings_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"Pixels: .*blur_probe"):
        make(tmp_path, pixels={"blur_probe": 1})
