"""PersonDetector: what it takes, what it gives, and what thresholds do."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from detection.detector_cases import TINY, write_weights
from torchvision.ops import box_iou

from posekit.detection import DetectedPeople, PersonDetector
from posekit.errors import CheckpointError, ConfigError, DataError


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "tiny.pth", input_size=torch.tensor([64, 128]))


@pytest.fixture(scope="module")
def detector(weights):
    return PersonDetector(weights=weights, score_threshold=0.0, max_people=7, device="cpu", batch_size=2)


def images(*sizes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def test_every_image_has_its_people(detector):
    sizes = [(60, 90), (120, 40), (64, 64)]
    found = detector(images(*sizes))
    assert len(found) == 3
    for people, (height, width) in zip(found, sizes, strict=True):
        assert isinstance(people, DetectedPeople)
        assert people.boxes_xyxy.dtype == people.scores.dtype == np.float32
        assert people.boxes_xyxy.shape == (len(people.scores), 4)
        assert 0 < len(people) <= 7  # a random network sees people everywhere
        assert (np.diff(people.scores) <= 0).all()
        assert (people.boxes_xyxy >= 0).all()
        assert (people.boxes_xyxy <= [width, height, width, height]).all()


def test_boxes_are_image_pixels_not_input_pixels(detector):
    """A picture four times as large gives four times the boxes, as torchvision resizes it back."""
    (small,) = images((60, 60))
    large = np.repeat(np.repeat(small, 4, axis=0), 4, axis=1)
    (few,), (many,) = detector([small]), detector([large])
    assert many.boxes_xyxy.max() > 2 * few.boxes_xyxy.max()


def test_a_batch_gives_what_single_images_give(detector):
    pictures = images((64, 64), (60, 120), (64, 64), (120, 40), (62, 64))
    together = detector(pictures)
    for image, people in zip(pictures, together, strict=True):
        (alone,) = detector([image])
        np.testing.assert_allclose(people.scores, alone.scores, atol=1e-4)
        np.testing.assert_allclose(people.boxes_xyxy, alone.boxes_xyxy, atol=1e-2)


def test_threads_get_what_one_gets(detector):
    pictures = images(*[(60 + i, 90) for i in range(6)])
    alone = [detector([picture])[0] for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: detector([picture])[0], pictures))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_nms_and_thresholds(weights):
    (image,) = images((64, 96))
    strict = PersonDetector(weights=weights, score_threshold=0.0, nms_threshold=0.1, device="cpu")
    (people,) = strict([image])
    overlaps = box_iou(*(2 * [torch.from_numpy(people.boxes_xyxy)])) - torch.eye(len(people))
    assert overlaps.max() <= 0.1
    middle = float(np.median(people.scores))
    (few,) = PersonDetector(weights=weights, score_threshold=middle, nms_threshold=0.1, device="cpu")([image])
    assert 0 < len(few) < len(people)
    assert few.scores.min() >= middle


def test_odd_sizes_harm_nobody(detector):
    found = detector(images((1, 1), (3, 9000), (64, 64), (0, 5)))
    assert [len(people) for people in found][1::2] == [0, 0]
    assert len(found[2]) > 0
    assert detector([]) == []


@pytest.mark.parametrize(
    "image", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3)), "photo.jpg"]
)
def test_other_things_are_refused_by_their_place(detector, image):
    with pytest.raises(DataError, match=r"image 1: expected a uint8 RGB array \(H, W, 3\)"):
        detector([np.zeros((5, 5, 3), np.uint8), image])


def test_settings_are_checked(weights):
    with pytest.raises(ConfigError, match="'score_threshold' to be from 0 to 1"):
        PersonDetector(weights=weights, score_threshold=50)
    with pytest.raises(ConfigError, match="'max_people' to be at least 1"):
        PersonDetector(weights=weights, max_people=0)
    with pytest.raises(ConfigError, match="'network' to be one of"):
        PersonDetector("fasterrcnn")
    with pytest.raises(CheckpointError, match="no such file"):
        PersonDetector(weights="nowhere.pth")


def test_it_says_what_it_is(detector):
    assert detector.network == TINY
    text = "(tiny.pth), input 64/128, score >= 0, NMS 0.5, at most 7 people an image, cpu"
    assert detector.describe() == f"{TINY} {text}"
