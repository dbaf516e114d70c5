"""PastedPeople: boxes are what is seen of people, and who is hidden is neither person nor background."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from posekit.datasets.draws import SampleKey
from posekit.detection.canvas import PeopleCanvas
from posekit.detection.dataset import image_sample
from posekit.detection.pasted import PastedPeople
from posekit.errors import ConfigError
from posekit.io.images import cv2
from posekit.transforms import PasteCutouts

COLOURS = np.array([(250, 10, 10), (10, 250, 10), (10, 10, 250), (240, 240, 10)], np.uint8)
NOBODY = np.zeros((0, 4), np.float32)


@pytest.fixture
def folder(tmp_path):
    """Four people of one colour each, the same height and other widths, with an empty rim."""
    for number, colour in enumerate(COLOURS):
        picture = np.zeros((60, 24 + 4 * number, 4), np.uint8)
        picture[2:-2, 3:-3] = (*colour[::-1].tolist(), 255)
        (tmp_path / f"{number}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return tmp_path


def pasted(folder, seed, boxes=NOBODY, ignored=NOBODY, **settings):
    image = np.full((160, 200, 3), 90, np.uint8)
    paster = PastedPeople(str(folder), **{"prob": 1.0, "height": (0.2, 0.5), **settings})
    people, unclear = paster(image, boxes, ignored, np.random.default_rng(seed))
    return image, people, unclear


def painted(image):
    """Which pixels are a pasted person's own colour."""
    return (np.abs(image[:, :, None].astype(int) - COLOURS).max(axis=3) < 40).any(axis=2)


@pytest.mark.parametrize("seed", range(12))
def test_a_box_is_what_is_seen_of_one_person(folder, seed):
    image, people, unclear = pasted(folder, seed, number=(1, 1))
    seen = painted(image)
    (box,) = (*people, *unclear)
    rows, columns = np.nonzero(seen)
    wanted = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(box - wanted).max() <= 1  # an edge is soft
    assert people.dtype == unclear.dtype == np.float32
    # Up to 50 x 80 pixels of the picture, cut by its edges.
    assert box[0] >= 0
    assert box[1] >= 0
    assert box[2] <= 200
    assert box[3] <= 160


@pytest.mark.parametrize("seed", range(12))
def test_all_that_is_pasted_lies_in_boxes(folder, seed):
    image, people, unclear = pasted(folder, seed, number=(5, 9), together=0.9)
    free = painted(image)
    for x1, y1, x2, y2 in np.concatenate([people, unclear]).astype(int):
        free[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1] = False
    assert not free.any()
    for x1, y1, x2, y2 in people.astype(int):
        assert painted(image)[y1:y2, x1:x2].any()


def test_numbers_and_heights_are_within_their_ranges(folder):
    counts, heights = [], []
    for seed in range(80):
        _, people, unclear = pasted(folder, seed, number=(2, 3), together=0, height=(0.1, 0.2))
        counts.append(len(people) + len(unclear))
        heights += (people[:, 3] - people[:, 1]).tolist()
    assert max(counts) == 3
    assert 13 < np.median(heights) < 30  # from 16 to 32, less the rim
    assert max(heights) <= 32


def test_people_who_stand_together_are_alike_and_near(folder):
    def spread(together):
        near, alike = [], []
        for seed in range(60):
            _, people, _ = pasted(folder, seed, number=(2, 2), together=together, height=(0.1, 0.4))
            if len(people) == 2:
                centres = (people[:, :2] + people[:, 2:]) / 2
                near.append(np.abs(centres[0] - centres[1]).max())
                heights = people[:, 3] - people[:, 1]
                alike.append(np.abs(np.log(heights[0] / heights[1])))
        return np.median(near), np.median(alike)

    apart, together = spread(0.0), spread(1.0)
    assert together[0] < 0.5 * apart[0]
    assert together[1] < 0.6 * apart[1]


def test_the_lower_stands_in_front(folder):
    overlaps = 0
    for seed in range(200):
        paster = PastedPeople(str(folder), prob=1.0, number=(2, 2), together=1.0, height=(0.3, 0.5))
        placed = paster._placed(2, (160, 200), np.random.default_rng(seed))
        feet = [corner[1] + len(cutout) for cutout, corner in placed]
        assert feet == sorted(feet)
        overlaps += feet[0] != feet[1]
    assert overlaps > 150


def test_of_whom_too_little_is_seen_is_ignored(folder):
    strict = [pasted(folder, seed, number=(6, 6), together=1.0, least_visible=1.0) for seed in range(20)]
    loose = [pasted(folder, seed, number=(6, 6), together=1.0, least_visible=0.0) for seed in range(20)]
    for (_, few, unclear), (_, many, rest) in zip(strict, loose, strict=True):
        assert len(few) + len(unclear) == len(many) + len(rest)
    assert sum(len(few) for _, few, _ in strict) < 0.6 * sum(len(many) for _, many, _ in loose)


def test_who_was_there_and_is_covered_is_ignored(folder):
    boxes = np.float32([[60, 40, 100, 80], [0, 0, 3, 3]])
    regions = np.float32([[150, 0, 200, 10]])
    kinds = set()
    for seed in range(60):
        image, people, unclear = pasted(folder, seed, boxes, regions, number=(1, 1), height=(0.5, 0.9))
        covered = float(painted(image)[40:80, 60:100].mean())
        stays = bool((people == boxes[0]).all(axis=1).any())
        if abs(covered - 0.7) > 0.05:
            assert stays == (covered < 0.7)
        assert stays != bool((unclear == boxes[0]).all(axis=1).any())
        assert (unclear == regions[0]).all(axis=1).any()
        kinds.add(stays)
    assert kinds == {True, False}


def test_nobody_is_pasted_where_it_does_not_happen(folder):
    boxes, regions = np.float32([[1, 2, 30, 40]]), np.float32([[0, 0, 9, 9]])
    image, people, unclear = pasted(folder, 0, boxes, regions, prob=0.0)
    assert_array_equal(people, boxes)
    assert_array_equal(unclear, regions)
    assert (image == 90).all()
    happens = [bool((pasted(folder, seed, prob=0.4, number=(4, 4))[0] != 90).any()) for seed in range(900)]
    assert np.mean(happens) == pytest.approx(0.4, abs=0.05)


class Empty:
    """Grey pictures, somebody in the second."""

    def __len__(self):
        return 3

    def __getitem__(self, row):
        box = np.float32([[10, 10, 30, 40]])[: int(row) == 1]
        return image_sample(np.full((64, 64, 3), 90, np.uint8), box, int(row), NOBODY)


def test_a_canvas_has_them_and_the_same_ones_again(folder):
    stated = {"type": PastedPeople, "folder": str(folder), "prob": 1.0, "number": (3, 5)}
    canvas = PeopleCanvas(Empty(), (96, 96), pasted=stated)
    plain = PeopleCanvas(Empty(), (96, 96))
    key = SampleKey(0, 1, 1)
    first, again, before = canvas[key], canvas[key], plain[key]
    for one, other in zip(first, again, strict=True):
        assert_array_equal(one, other)
    assert len(first.boxes_xyxy) + len(first.ignored_xyxy) > len(before.boxes_xyxy)
    assert painted(first.image.permute(1, 2, 0).numpy()).any()
    # What is pasted draws from a stream of its own: where nobody is, the canvas is what it was.
    away = ~painted(first.image.permute(1, 2, 0).numpy())
    same = (first.image == before.image).all(dim=0).numpy()
    assert same[away].mean() > 0.9
    assert (canvas[SampleKey(0, 2, 1)].image != first.image).any()


def test_who_stands_beside_others_is_within_the_heights_too(folder):
    heights = []
    for seed in range(40):
        _, people, _ = pasted(folder, seed, number=(8, 8), together=1.0, height=(0.2, 0.25))
        heights += (people[:, 3] - people[:, 1]).tolist()
    assert max(heights) <= 40


@pytest.mark.parametrize("wrong", ["cutouts", [1], {"type": PasteCutouts, "prob": 0.5}])
def test_what_pastes_nobody_onto_a_canvas_is_refused(folder, wrong):
    stated = wrong | {"folder": str(folder)} if isinstance(wrong, dict) else wrong
    with pytest.raises(ConfigError, match="'pasted' must be PastedPeople or its settings, found"):
        PeopleCanvas(Empty(), (96, 96), pasted=stated)


@pytest.mark.parametrize(
    "settings",
    [{"prob": 2}, {"number": (0, 3)}, {"height": (0, 1)}, {"together": -1}, {"least_visible": "all"}],
)
def test_impossible_settings_are_named(folder, settings):
    (name,) = settings
    with pytest.raises(ConfigError, match=f"PastedPeople: '{name}' must be"):
        PastedPeople(str(folder), **settings)
