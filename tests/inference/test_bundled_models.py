"""The models that come with the package: there, small, described, as good as their cards say."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch

from posekit import Predictor
from posekit.datasets.coco import load_coco
from posekit.datasets.faces.text_files import load_face_csv
from posekit.datasets.split import hashed_split
from posekit.inference.bundle import bundled_models
from posekit.inference.network import load_network
from posekit.io.bundled import bundled_finders
from posekit.io.files import read_json

MODELS = bundled_models()


def test_which_there_are():
    others = ["face68", "lite0_coco17_160x128", "lite0_small_coco17_160x128", "mobilenetv2_lsp14_160x160"]
    assert list(MODELS) == ["lite0_coco17_256x192", *others]
    assert MODELS[others[2]].stat().st_size < 3_000_000
    assert Predictor(device="cpu").describe()["model"] == "lite0_coco17_256x192"


def test_the_first_takes_no_mirror_image_unless_it_is_asked_to():
    """Its larger input is worth more than the mirror image (``docs/models.md``)."""
    words = {flip: Predictor(device="cpu", flip_test=flip).describe()["flip"] for flip in (None, True)}
    assert words[True] == Predictor("lite0_coco17_160x128", device="cpu").describe()["flip"] != words[None]


def test_scores_with_the_mirror_image_have_a_calibration_of_their_own():
    stated = {
        flip: load_network(None, None).with_flip(flip).calibration_in_use for flip in (None, False, True)
    }
    card = read_json(MODELS["lite0_coco17_256x192"].with_suffix(".json"))
    for flip, entry in ((None, "calibration"), (False, "calibration"), (True, "flipped_calibration")):
        assert stated[flip].person_threshold == card[entry]["person_threshold"]
        assert card[entry]["facts"]["flip test"] == bool(flip)
    assert stated[True].peaks != stated[None].peaks
    assert Predictor(device="cpu", flip_test=True)._calibration == stated[True]
    other = load_network("lite0_coco17_160x128", None)  # which has one for both
    assert other.with_flip(False).calibration_in_use == other.calibration_in_use == other.calibration
    there_and_back = load_network(None, None).with_flip(True).with_flip(False)
    assert there_and_back.calibration_in_use == stated[False]


@pytest.mark.parametrize("name", MODELS)
def test_small_and_described(name):
    weights = MODELS[name]
    assert weights.stat().st_size <= 8_000_000
    card = read_json(weights.with_suffix(".json"))
    assert card["name"] == name
    for field in ("summary", "config", "seed", "training", "data", "terms", "scores", "limits"):
        assert card[field] not in (None, "", [], {}), field
    assert (reference.ROOT / card["config"]).is_file()


@pytest.mark.parametrize("name", MODELS)
def test_works_offline_from_an_array(name):
    image = np.random.default_rng(0).integers(0, 256, (90, 60, 3), np.uint8)
    (pose,) = Predictor(name, device="cpu")(image, [[0, 0, 60, 90]])
    assert pose.keypoints.shape == (len(pose.scores), 2)
    assert np.isfinite(pose.keypoints).all()
    assert (pose.scores >= 0).all()


def test_made_where_no_gradients_are_kept():
    image = np.random.default_rng(0).integers(0, 256, (90, 60, 3), np.uint8)
    with torch.inference_mode():
        inside = Predictor(device="cpu")
        (one,) = inside(image, [[0, 0, 60, 90]])
        assert inside.has_detector
        assert Predictor(device="cpu", detector="finder").has_detector
    (other,) = Predictor(device="cpu")(image, [[0, 0, 60, 90]])
    np.testing.assert_array_equal(one.keypoints, other.keypoints)


def test_the_finder_is_small_and_described():
    (path,) = bundled_finders().values()
    assert path.stat().st_size <= 4_000_000
    card = read_json(path.with_suffix(".json"))
    for field in ("summary", "config", "training", "data", "terms", "scores", "limits"):
        assert card[field] not in (None, "", [], {}), field
    assert (reference.ROOT / card["config"]).is_file()


def test_nobody_is_where_nobody_is():
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, 320).astype(np.uint8)
    pictures = [
        np.zeros((240, 320, 3), np.uint8),
        np.full((240, 320, 3), 200, np.uint8),
        rng.integers(0, 256, (240, 320, 3), np.uint8),
        np.broadcast_to(ramp[None, :, None], (240, 320, 3)),
        np.kron(rng.integers(0, 256, (12, 16, 3)), np.ones((20, 20, 1))).astype(np.uint8),
    ]
    for people in Predictor(device="cpu")(pictures):
        assert people == []
        assert people.unclear <= 3


def test_finds_the_points_of_faces_it_was_not_trained_on():
    """An error of 5 % of the distance between the eyes on the mean, says the card, on AFW."""
    root = reference.path("data/face300w")
    faces = load_face_csv("afw.csv", "afw", "ibug68", data_root=str(root))
    predictor, errors = Predictor("face68", device="cpu"), []
    for face in (faces[row] for row in range(0, len(faces), 8)):
        eyes = np.linalg.norm(face.keypoints[36] - face.keypoints[45])
        for box in (face.box_xyxy[None], None):  # None: the whole picture, looked at more closely
            (pose,) = predictor(face.image_path, box)
            errors.append(np.linalg.norm(pose.keypoints - face.keypoints, axis=1).mean() / eyes)
    assert np.mean(errors[::2]) < 0.06
    assert np.mean(errors[1::2]) < 0.08


@pytest.mark.parametrize("name", [name for name in MODELS if name != "face68"])
def test_finds_the_joints_of_people_it_was_not_trained_on(name):
    """A fifth of the torso for six joints in ten, say the cards; far fewer if crops were off."""
    root = reference.path("data/lsp_extended")
    people = load_coco("train.json", "images", "lsp14", data_root=str(root))
    rows = hashed_split(people, "val")[:60]
    predictor = Predictor(name, device="cpu", flip_test=True)
    names, own = people.skeleton.keypoints, predictor.skeleton.keypoints
    theirs, ours = np.array([(names.index(joint), own.index(joint)) for joint in names if joint in own]).T
    right = []
    for record in (people[row] for row in rows):
        (pose,) = predictor(record.image_path, boxes=record.box_xyxy[None])
        torso = np.linalg.norm(
            record.keypoints[names.index("right_shoulder")] - record.keypoints[names.index("left_hip")]
        )
        far = np.linalg.norm(pose.keypoints[ours] - record.keypoints[theirs], axis=1)
        right.extend((far <= 0.2 * torso)[record.visible[theirs] > 0])
    assert np.mean(right) > 0.55


def test_finds_the_people_of_everyday_photos():
    """Photos that no training saw: a third of their large people and more, and not many things."""
    root = reference.path("data/tiny_coco")
    content = read_json(root / "annotations/person_keypoints_val2017.json")
    predictor = Predictor(device="cpu")
    found, wrong, all_people = 0, 0, 0
    for image in content["images"]:
        people = predictor(str(root / "val2017" / image["file_name"]))
        annotated = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        boxes = np.array([a["bbox"] for a in annotated], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        large = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) > 64**2
        overlap = np.array([_iou(pose.box_xyxy, boxes) for pose in people]).reshape(-1, len(boxes))
        found += int((overlap.max(axis=0, initial=0) > 0.5)[large].sum())
        wrong += int((overlap.max(axis=1, initial=0) < 0.1).sum())
        all_people += int(large.sum())
    assert found > all_people / 3
    assert wrong < len(content["images"])


def _iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return shared / (areas - shared)
