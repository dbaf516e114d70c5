"""posekit.transforms.pasting: what a cut-out covers, what may not be hidden, and whose fault a bad one is."""

from __future__ import annotations

import numpy as np
import pytest
from datasets.augmented_people import make
from numpy.testing import assert_array_equal

from posekit.errors import ConfigError, DataError
from posekit.io.images import cv2
from posekit.transforms import PasteCutouts
from posekit.transforms.pasting import Cutouts, paste, shared_part

RED = (200, 10, 20)


def write(path, picture):
    """A PNG of RGBA, or of what it is given."""
    if picture.ndim == 3:
        picture = np.ascontiguousarray(picture[..., [2, 1, 0, 3][: picture.shape[2]]])
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def half(height=40, width=20):
    """Red and opaque on the left, green and transparent on the right."""
    picture = np.zeros((height, width, 4), np.uint8)
    picture[:, : width // 2] = (*RED, 255)
    picture[:, width // 2 :] = (0, 255, 0, 0)
    return picture


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cutouts").mkdir()
    write(tmp_path / "cutouts" / "one.png", half())
    (tmp_path / "cutouts" / "notes.txt").write_text("not a picture")
    return tmp_path / "cutouts"


def grey():
    return np.full((64, 48, 3), 100, np.uint8)


@pytest.mark.parametrize(
    ("corner", "rows", "columns"),
    [
        ((5, 7), slice(7, 47), slice(5, 15)),
        ((-4, -10), slice(0, 30), slice(0, 6)),
        ((40, 50), slice(50, 64), slice(40, 48)),
        ((-10, 3), slice(3, 43), slice(0, 0)),  # its opaque half lies outside
        ((48, 0), slice(0, 0), slice(0, 0)),
        ((0, -40), slice(0, 0), slice(0, 0)),
    ],
)
def test_what_is_opaque_is_pasted_and_nothing_else_changes(corner, rows, columns):
    image, wanted = grey(), grey()
    paste(image, half(), corner)
    wanted[rows, columns] = RED
    assert_array_equal(image, wanted)


def test_half_transparent_pixels_are_a_mean():
    image, thin = grey(), half()
    thin[..., 3] //= 5
    paste(image, thin, (0, 0))
    assert image[0, 0].tolist() == [round(0.2 * red + 80) for red in RED]
    assert image[0, 15].tolist() == [100, 100, 100]


def test_the_part_shared_is_the_part_pasted():
    place, piece = shared_part(half(), (-3, 60), (64, 48))
    assert place == (slice(60, 64), slice(0, 17))
    assert_array_equal(piece, half()[:4, 3:])


def test_a_resized_cutout_has_no_rim_of_hidden_colours(folder):
    drawn = [
        Cutouts(folder).drawn(np.random.default_rng(seed), height) for seed in range(8) for height in (13, 71)
    ]
    assert {one.shape for one in drawn} == {(13, 6, 4), (71, 36, 4)}
    for one in drawn:
        seen = one[one[..., 3] > 0].astype(int)
        assert np.abs(seen[:, :3] - RED).max() <= 2  # the green was transparent
    left = [bool(one[0, 0, 3]) for one in drawn]
    assert True in left  # as it is, and mirrored
    assert False in left


def test_cutouts_are_pasted_as_often_as_stated_and_the_picture_given_stays(folder):
    some = PasteCutouts(str(folder), prob=0.3, height=(0.2, 0.3))
    changed = []
    for seed in range(400):
        given = grey()
        found = some(given, np.random.default_rng(seed))
        assert_array_equal(given, grey())
        assert_array_equal(found, some(grey(), np.random.default_rng(seed)))
        changed.append(bool((found != given).any()))
    # Some lie outside with their opaque half.
    assert 0.2 < np.mean(changed) < 0.36


def test_heights_and_numbers_are_within_their_ranges(folder):
    def reds(settings, seed):
        image = PasteCutouts(str(folder), prob=1, most_hidden=1, **settings)(
            grey(), np.random.default_rng(seed)
        )
        return (image == RED).all(axis=2)

    # An eighth of 64 rows high, of which half may lie outside.
    seen = [
        int(reds({"height": (0.125, 0.125), "number": (1, 1)}, seed).any(axis=1).sum()) for seed in range(60)
    ]
    assert max(seen) == 8
    one, many = (
        np.mean([reds({"height": (0.125, 0.125), "number": (n, n)}, seed).sum() for seed in range(60)])
        for n in (1, 12)
    )
    assert 6 < many / one < 13


def test_the_middle_is_not_hidden_beyond_what_is_allowed(folder):
    write(folder / "one.png", np.full((60, 60, 4), 255, np.uint8))
    shares = []
    for seed in range(60):
        paster = PasteCutouts(str(folder), prob=1, number=(3, 3), height=(0.3, 0.9), most_hidden=0.25)
        image = paster(grey(), np.random.default_rng(seed))
        shares.append(float((image == 255).all(axis=2)[16:48, 12:36].mean()))
    assert 0.15 < max(shares) <= 0.25


def test_a_data_set_pastes_into_its_crops_and_keeps_the_labels(folder):
    plain = make(folder.parent)
    pasted = make(
        folder.parent,
        pixels=[{"type": PasteCutouts, "folder": str(folder), "prob": 1.0, "height": (0.5, 0.9)}],
    )
    reds = 0
    for row in range(len(plain)):
        one, other = plain[row], pasted[row]
        assert_array_equal(one.keypoints, other.keypoints)
        assert_array_equal(one.weight, other.weight)
        # The colour stays what it was: RGB, as the network takes it.
        reds += int((np.asarray(other.image).reshape(3, -1).T == RED).all(axis=1).sum())
    assert reds > 20


@pytest.mark.parametrize(
    "settings",
    [
        {"prob": 1.1},
        {"prob": "often"},
        {"number": (0, 2)},
        {"number": (1, 2.5)},
        {"height": (0.9, 0.4)},
        {"height": 0.5},
        {"height": (0.4, float("nan"))},
        {"most_hidden": -0.1},
        {"most_hidden": True},
    ],
)
def test_impossible_settings_are_named(folder, settings):
    (name,) = settings
    with pytest.raises(ConfigError, match=f"PasteCutouts: '{name}' must be"):
        PasteCutouts(str(folder), **settings)


def test_a_folder_without_cutouts_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"none: cannot be listed: No such file.*tools/cut_out\.py"):
        Cutouts(tmp_path / "none")
    with pytest.raises(ConfigError, match="expected PNG files with transparency, found none"):
        Cutouts(tmp_path)


@pytest.mark.parametrize(
    ("picture", "found"),
    [
        (np.zeros((4, 4, 3), np.uint8), r"uint8 \(4, 4, 3\)"),
        (np.zeros((4, 4), np.uint8), r"uint8 \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint16), r"uint16 \(4, 4, 4\)"),
        (None, "no whole picture"),
        (b"", "no whole picture"),
        (np.full((4, 4, 4), 100, np.uint8), "nothing in it that hides"),
    ],
)
def test_a_file_without_transparency_is_named(folder, picture, found):
    if picture is None or isinstance(picture, bytes):
        (folder / "one.png").write_bytes(b"not a picture" if picture is None else picture)
    else:
        write(folder / "one.png", picture)
    with pytest.raises(
        DataError, match=rf"one\.png: expected a PNG of 8 bits with transparency, found {found}"
    ):
        Cutouts(folder).read(0)


def test_a_file_cut_short_or_of_too_many_pixels_is_named(folder):
    path = folder / "one.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"one\.png: expected a PNG .* found no whole picture"):
        Cutouts(folder).read(0)
    path.write_bytes(whole[:16] + (100_000).to_bytes(4, "big") * 2 + whole[24:])
    with pytest.raises(DataError, match=r"one\.png: expected a PNG .* found 100000 x 100000 pixels"):
        Cutouts(folder).read(0)


def test_who_lies_is_not_wider_than_two_heights(folder):
    write(folder / "one.png", np.full((3, 300, 4), 255, np.uint8))
    assert Cutouts(folder).drawn(np.random.default_rng(0), 100.0).shape == (2, 200, 4)


@pytest.mark.parametrize("name", [None, 5, "a\0b"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ConfigError, match="cannot be listed"):
        PasteCutouts(name)


def test_a_folder_below_the_data_root(folder):
    (folder / "folder.png").mkdir()  # is no picture
    assert len(PasteCutouts("cutouts", data_root=str(folder.parent)).cutouts) == 1


def test_its_words_say_what_it_does(folder):
    assert repr(PasteCutouts(str(folder))).startswith("PasteCutouts(1 of ")
