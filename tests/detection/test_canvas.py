"""PeopleCanvas: boxes follow pixels, what is cut away is ignored, and draws depend on the sample alone."""

import numpy as np
import pytest
import torch
from detection.detector_cases import write_set
from numpy.testing import assert_array_equal

from posekit.datasets import KeyedDataset
from posekit.datasets.draws import SampleKey
from posekit.datasets.several import MixedDataset
from posekit.detection.canvas import PeopleCanvas, clipped, grid_cells
from posekit.detection.dataset import PeopleImages, image_sample
from posekit.detection.letterbox import FILL, letterbox, resized
from posekit.errors import ConfigError
from posekit.transforms.pixels import Pixels

MARK = np.array([250, 10, 30])


class Marked:
    """Pictures with a box of one colour on another; every number is another size, place and ignored part."""

    def __len__(self):
        return 6

    def __getitem__(self, row):
        rng = np.random.default_rng(int(row))
        width, height = rng.integers(60, 140, 2)
        x, y = rng.integers(5, 20, 2)
        w, h = rng.integers(20, 35, 2)
        image = np.full((height, width, 3), 200, np.uint8)
        image[y : y + h, x : x + w] = MARK
        box = np.array([[x, y, x + w, y + h]], np.float32)
        return image_sample(image, box, int(row), box + np.float32([w, 0, w, 0]))


def marked_box(image):
    """The box around what has the mark's colour, within a pixel."""
    rows, columns = np.nonzero((np.abs(image.astype(int) - MARK) < 60).all(axis=2))
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@pytest.mark.parametrize("row", range(6))
def test_a_box_is_where_its_pixels_are(row):
    canvas = PeopleCanvas(Marked(), (96, 128), scale=(0.5, 1.6), stretch=1.5, least_visible=0.1)
    sample = canvas[SampleKey(0, 3, row)]
    assert sample.image.shape == (3, 96, 128)
    (box,) = sample.boxes_xyxy.numpy()
    assert np.abs(marked_box(sample.image.permute(1, 2, 0).numpy()) - box).max() <= 1
    for region in sample.ignored_xyxy.numpy():  # right of the box and as high
        assert region[[0, 1, 3]] == pytest.approx(box[[2, 1, 3]], abs=1e-4)


def test_every_cell_of_a_grid_has_a_picture():
    canvas = PeopleCanvas(Marked(), (256, 256), grids={2: 1.0}, scale=(1.0, 1.0), stretch=1.0)
    sample = canvas[SampleKey(0, 0, 2)]
    image = sample.image.permute(1, 2, 0).numpy()
    assert len(sample.boxes_xyxy) == 4
    for x1, y1, x2, y2 in sample.boxes_xyxy.numpy().round().astype(int):
        assert np.abs(np.median(image[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1], axis=(0, 1)) - MARK).max() < 9
    assert int(sample.image_id) == 2  # each picture leads one canvas of an epoch
    # Of pictures that just fit their cells none is cut, and what they leave is filled.
    assert (image == FILL).all(axis=2).any()


def test_cells_fill_the_canvas_and_do_not_overlap():
    painted = np.zeros((97, 64), int)
    for x1, y1, x2, y2 in grid_cells((97, 64), 3, np.random.default_rng(0)):
        assert x2 - x1 > 6
        assert y2 - y1 > 9
        painted[y1:y2, x1:x2] += 1
    assert (painted == 1).all()


def test_people_mostly_cut_away_are_ignored():
    boxes = np.float32([[-10, 0, 10, 20], [-30, 0, 10, 20], [50, 50, 70, 70], [70, 0, 99, 9], [5, 5, 9, 30]])
    people, ignored = clipped(boxes, (60, 60), 0.5)
    assert_array_equal(people, [[0, 0, 10, 20]])
    # A quarter of the second, of the third; nothing of the fourth; the last is too thin.
    assert_array_equal(ignored, [[0, 0, 10, 20], [50, 50, 60, 60], [5, 5, 9, 30]])
    assert people.dtype == ignored.dtype == np.float32
    assert len(clipped(boxes, (60, 60), 0.25)[0]) == 3


def test_samples_depend_on_seed_epoch_and_number_alone(tmp_path):
    write_set(tmp_path)
    parts = {name: PeopleImages("people.json", "images", str(tmp_path), flip_prob=0.5) for name in "ab"}
    mixed = MixedDataset(parts, ratios={"a": 2, "b": 1}, size=9)
    canvas = KeyedDataset(PeopleCanvas(mixed, (64, 64), grids={1: 1, 2: 1}))
    keys = [SampleKey(0, epoch, row) for epoch in range(3) for row in range(9)]
    first = [canvas[key] for key in keys]
    for key, sample in reversed(list(zip(keys, first, strict=True))):
        for one, other in zip(canvas[key], sample, strict=True):
            assert_array_equal(one, other)
    assert len({sample.image.numpy().tobytes() for sample in first}) == 27
    assert canvas.metainfo["shares"] == {"a": (6, 3), "b": (3, 3)}
    assert canvas.faulty_images() == []


def test_crowds_of_a_picture_set_are_ignored_and_mirrored_with_it(tmp_path):
    write_set(tmp_path)
    plain, flipped = (PeopleImages("people.json", "images", str(tmp_path), flip_prob=p)[1] for p in (0, 1))
    assert plain.ignored_xyxy.tolist() == [[0, 0, 64, 20]]
    assert plain.ignored_xyxy.dtype == torch.float32
    assert flipped.boxes_xyxy.tolist() == [[29, 5, 59, 65]]
    sample = PeopleCanvas([plain, flipped], (80, 64), scale=(1, 1), stretch=1)[1]
    assert sample.ignored_xyxy.tolist() == [[0, 0, 64, 20]]  # at its own size
    assert sample.boxes_xyxy.tolist() == [[29, 5, 59, 65]]
    assert_array_equal(sample.image, flipped.image)


def test_pixels_are_changed_by_what_is_given():
    def inverted(image, rng):
        assert isinstance(rng, np.random.Generator)
        return 255 - image

    stated = (None, inverted, [inverted, inverted], {"type": Pixels, "jitter_prob": 1.0})
    key = SampleKey(0, 0, 0)
    plain, other, twice, jittered = (PeopleCanvas(Marked(), (64, 64), pixels=one)[key] for one in stated)
    assert_array_equal(other.image, 255 - plain.image)
    assert_array_equal(twice.image, plain.image)
    assert (jittered.image != plain.image).any()
    for sample in (other, twice, jittered):
        assert_array_equal(sample.boxes_xyxy, plain.boxes_xyxy)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"size_hw": (320, 8)}, "'size_hw'"),
        ({"scale": (2, 1)}, "'scale'"),
        ({"grids": {0: 1.0}}, "'grids'"),
        ({"grids": {2: -1.0}}, "'grids'"),
        ({"stretch": 0.5}, "'stretch'"),
        ({"least_visible": 0}, "'least_visible'"),
        ({"pixels": 3}, "'pixels'"),
    ],
)
def test_impossible_settings_are_named(settings, named):
    with pytest.raises(ConfigError, match=named):
        PeopleCanvas(Marked(), **settings)


def test_a_letterbox_keeps_the_picture_in_its_corner():
    image = np.full((60, 120, 3), 7, np.uint8)
    boxed = letterbox(image, 80, 32)
    assert boxed.image.shape == (64, 96, 3)
    assert (boxed.image[:40, :80] == 7).all()
    assert (boxed.image[40:] == FILL).all()
    assert (boxed.image[:, 80:] == FILL).all()
    assert boxed.scale_xy.tolist() == pytest.approx([80 / 120, 40 / 60])
    # 7.1 rows become 7: the scale is what was done, not what was asked for.
    assert letterbox(np.zeros((11, 124, 3), np.uint8), 80, 32).scale_xy.tolist() == [80 / 124, 7 / 11]
    assert letterbox(np.zeros((3, 9000, 3), np.uint8), 80, 32) is None
    assert letterbox(np.zeros((0, 5, 3), np.uint8), 80, 32) is None


def test_every_pixel_counts_where_a_picture_shrinks():
    image = np.zeros((8, 8, 3), np.uint8)
    image[3, 3] = 160
    assert resized(image, (2, 2))[0, 0].tolist() == [10, 10, 10]
    assert resized(image, (8, 8)) is image
