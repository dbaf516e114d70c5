"""tools/embed.py and a network as a tracker's eyes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from tool_runs import caller
from toy_identities import write_identities

from posekit.engine.checkpoints.files import write_checkpoint
from posekit.errors import ConfigError, DataError
from posekit.inference.appearance import Appearance
from posekit.inference.bundle import write_bundle
from posekit.inference.tracking import OKSTracker
from posekit.models import PoseEstimator
from posekit.recognition import losses
from posekit.recognition.alignment import FIVE_POINTS, align
from posekit.recognition.appearance import CropEmbedder
from posekit.recognition.embed_files import embed_files, find_pictures, neighbours, picture_names, read_points
from posekit.recognition.embedding import cut, embed
from posekit.recognition.files import read_embeddings
from posekit.recognition.heads import EmbeddingHead, TimmStages
from posekit.recognition.landmarks import find_five_points, five_points
from posekit.skeletons import get_skeleton
from posekit.structures import Pose, Skeleton
from posekit.transforms import Crop

BACKBONE = {"type": TimmStages, "name": "resnet10t"}
HEAD = {"type": EmbeddingHead, "dim": 8, "classes": 4, "losses": {"identification": {"type": losses.Softmax}}}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return PoseEstimator(BACKBONE, HEAD, skeleton=FIVE_POINTS).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_identities(tmp_path_factory.mktemp("faces") / "a", identities=4, each=2)


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "model.safetensors"
    settings = {"type": PoseEstimator, "backbone": BACKBONE, "head": HEAD, "skeleton": FIVE_POINTS.to_dict()}
    crop = {"type": Crop, "input_size_hw": (32, 32), "convention": "udp"}
    write_checkpoint({"state_dict": model.state_dict()}, path.with_suffix(".pth"))
    cfg = {"model": settings, "test_dataloader": {"dataset": {"crop": crop}}}
    write_bundle(path, cfg, path.with_suffix(".pth"))
    return path


@pytest.fixture
def run(monkeypatch, capsys):
    """The status of the tool and what it says."""
    return caller("embed", monkeypatch, capsys)


def test_files_folders_and_patterns(folder):
    images = folder / "images"
    every = [images / f"{n}.png" for n in range(8)]
    assert find_pictures([str(images)]) == every
    assert find_pictures([str(images / "[01].png"), str(every[1]), str(every[7])]) == [
        every[0],
        every[1],
        every[7],
    ]
    assert find_pictures([str(folder / "**" / "3.png")]) == [every[3]]
    for word in (images / "9.png", folder / "*.jpg"):
        with pytest.raises(DataError, match="no such file, and a pattern of none"):
            find_pictures([str(word)])
    with pytest.raises(DataError, match="a folder without pictures"):
        find_pictures([str(folder)])


def test_points_of_a_picture_come_once(tmp_path):
    row = "a.png,1,1,2,1,1,2,1,3,2,3\n"
    (tmp_path / "p.csv").write_text("image,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4\n" + row)
    assert read_points(tmp_path / "p.csv", ["a.png"])["a.png"].tolist() == [
        [1, 1],
        [2, 1],
        [1, 2],
        [1, 3],
        [2, 3],
    ]
    (tmp_path / "p.csv").write_text("image,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4\n" + 2 * row)
    with pytest.raises(DataError, match=r"expected every picture once, found 'a\.png' again"):
        read_points(tmp_path / "p.csv", ["a.png"])


def test_two_pictures_of_one_name_are_told_apart(folder):
    assert picture_names([folder / "a" / "1.png", folder / "b" / "2.png"]) == ["1.png", "2.png"]
    both = [folder / "a" / "1.png", folder / "b" / "1.png"]
    assert picture_names(both) == [path.as_posix() for path in both]


def test_faces_are_aligned_and_other_pictures_taken_whole(folder, model):
    paths = find_pictures([str(folder / "images")])
    points = read_points(folder / "labels.csv", picture_names(paths))
    del points["1.png"]
    names, found = embed_files(model, (32, 32), paths, points)
    photos = [cv2.imread(str(path))[..., ::-1] for path in paths]
    wanted = [
        cut(photo, (0, 0, 48, 48), (32, 32)) if name == "1.png" else align(photo, points[name], (32, 32))
        for name, photo in zip(names, photos, strict=True)
    ]
    np.testing.assert_allclose(found, embed(model, np.stack(wanted)), atol=1e-6)


def test_a_whole_picture_of_the_inputs_size_is_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (32, 24, 3), dtype=np.uint8)
    np.testing.assert_array_equal(cut(image, (0, 0, 24, 32), (32, 24)), image)


def test_neighbours_by_hand():
    angles = np.radians([0, 10, 60, 75])
    order, cosine = neighbours(np.stack([np.cos(angles), np.sin(angles)], axis=1), 2)
    np.testing.assert_array_equal(order, [[1, 2], [0, 2], [3, 1], [2, 1]])
    np.testing.assert_allclose(cosine[:, 0], np.cos(np.radians([10, 10, 15, 15])))
    assert neighbours(np.eye(3), 9)[0].shape == (3, 2)
    with pytest.raises(DataError, match="at least two pictures"):
        neighbours(np.eye(1), 1)
    with pytest.raises(ConfigError, match="at least 1, found 0"):
        neighbours(np.eye(3), 0)


def test_the_tool_writes_embeddings_and_pictures_only_where_asked(folder, bundle, model, run, tmp_path):
    words = (bundle, folder / "images", "--points", folder / "labels.csv", "--out", tmp_path / "e.npz")
    status, said = run(*words)
    assert status == 0, said
    assert "8 pictures, 8 aligned by points; 8 numbers each" in said
    names, found = read_embeddings(tmp_path / "e.npz")
    assert names == [f"{n}.png" for n in range(8)]
    paths = find_pictures([str(folder / "images")])
    wanted = embed_files(model, (32, 32), paths, read_points(folder / "labels.csv", names))[1]
    np.testing.assert_allclose(found, wanted, atol=5e-3)  # the bundle is in half precision
    assert [path.name for path in tmp_path.iterdir()] == ["e.npz"]
    assert run(*words, "--neighbours", tmp_path / "sheet.png", "--count", 3)[0] == 0
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] > 4 * 120
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.npz", "sheet.png"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("nowhere.safetensors", "IMAGES"), "nowhere.safetensors"),
        (("BUNDLE", "IMAGES", "--out", "e.txt"), "ends in .npz"),
        (("BUNDLE", "IMAGES", "--neighbours", "s.pdf"), "ends in .png or .jpg"),
        (("BUNDLE", "IMAGES", "--count", "0"), "--count: expected at least 1"),
        (("BUNDLE", "none/*.png"), "a pattern of none"),
        (("config.py", "weights.pth"), "IMAGES: state at least one"),
        (("BUNDLE", "IMAGES", "--points", "POINTS"), "found none of"),
        (("BUNDLE", "IMAGES", "--neighbours", "PICTURE"), "would overwrite one of the pictures"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(words, error, folder, bundle, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "points.csv").write_text(
        "image,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4\nother.png,1,1,2,1,1,2,1,3,2,3\n"
    )
    places = {
        "BUNDLE": bundle, "IMAGES": folder / "images", "POINTS": "points.csv",
        "PICTURE": folder / "images" / "0.png",
    }  # fmt: skip
    status, said = run(*(places.get(word, word) for word in words))
    assert (status, error in said) == (2, True), said
    assert [path.name for path in tmp_path.iterdir()] == ["points.csv"]


@pytest.mark.parametrize("name", ["ibug68", "wflw98", "cofw29", "aflw19", "mtfl5"])
def test_five_points_of_each_skeleton(name):
    """The picture's left eye is the person's right one; an eye without pupil is the mean of its contour."""
    skeleton = get_skeleton(name)
    places = {
        "right_eye": (10, 20), "left_eye": (30, 20), "nose": (20, 30),
        "right_mouth_corner": (12, 40), "left_mouth_corner": (28, 40),
    }  # fmt: skip
    points = np.zeros((2, len(skeleton.keypoints), 2))
    corners = {"outer": -6, "inner": 6}  # of a contour whose mean is the pupil
    for place, keypoint in enumerate(skeleton.keypoints):
        eye = keypoint[: keypoint.find("_eye") + 4]
        if keypoint in places:
            points[:, place] = places[keypoint]
        elif eye in places:
            shift = corners.get(keypoint[len(eye) + 1 :], 0)
            height = 2 * ("top" in keypoint) - 2 * ("bottom" in keypoint)
            # Where there is a pupil, its contour may lie anywhere.
            points[:, place] = np.add(places[eye], (shift, height + 9 * (eye in skeleton.keypoints)))
    points[1] += 5
    found = five_points(points, skeleton)
    np.testing.assert_allclose(found[0], list(places.values()))
    np.testing.assert_allclose(found[1], found[0] + 5)


def test_a_skeleton_without_the_five_is_refused():
    words = "the skeleton 'coco17' has no keypoint 'right_mouth_corner'.*'face68'"
    with pytest.raises(ConfigError, match=words):
        five_points(np.zeros((17, 2)), get_skeleton("coco17"))


def test_points_are_looked_for_where_there_are_none(folder):
    paths = find_pictures([str(folder / "images")])[:3]
    names = picture_names(paths)
    skeleton = get_skeleton("mtfl5")
    points = np.arange(10.0).reshape(5, 2)

    class Network:
        def __init__(self):
            self.skeleton, self.asked = skeleton, 0

        def __call__(self, image):
            assert image.dtype == np.uint8
            self.asked += 1
            pose = Pose(points, np.ones(5), np.zeros(4), 1.0, 0, 0)
            return [pose] if self.asked == 1 else []  # of the second picture: no face

    network = Network()
    found = find_five_points(network, paths, names, {names[0]: points + 1})
    assert network.asked == 2
    assert list(found) == names[:2]
    np.testing.assert_array_equal(found[names[0]], points + 1)
    np.testing.assert_array_equal(found[names[1]], points[[0, 1, 2, 3, 4]])


def test_the_tool_aligns_by_the_bundled_landmarks(folder, bundle, run, tmp_path):
    status, said = run(bundle, folder / "images", "--landmarks", "face68", "--out", tmp_path / "e.npz")
    assert status == 0, said
    assert "8 pictures, 8 aligned by points" in said


def test_a_broken_picture_and_points_in_one_place_are_named(folder, model, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad\.png"):
        embed_files(model, (32, 32), [tmp_path / "bad.png"])
    with pytest.raises(DataError, match=r"0.png: alignment: 1 of 1 faces"):
        embed_files(model, (32, 32), [folder / "images" / "0.png"], {"0.png": np.ones((5, 2))})


def test_a_network_tells_people_apart_for_a_tracker(model):
    """Somebody comes back at another place after they were lost; so do others, of other colours."""
    looks = Appearance(CropEmbedder(model, (32, 32)), threshold=0.95)
    skeleton = Skeleton("two", ("a", "b"), sigmas=(0.1, 0.1))
    track = OKSTracker(skeleton, max_missing=0, appearance=looks)
    rng = np.random.default_rng(0)
    people = [rng.integers(0, 256, (20, 20, 3), dtype=np.uint8) for _ in range(2)]

    def frame(*places):
        image, poses = np.zeros((40, 200, 3), np.uint8), []
        for person, x in places:
            image[10:30, x : x + 20] = people[person]
            box = np.array([x, 10, x + 20, 30], np.float32)
            poses.append(Pose(box.reshape(2, 2).copy(), np.ones(2, np.float32), box))
        return [pose.person_id for pose in track(poses, image=image)]

    assert frame((0, 10), (1, 60)) == [0, 1]
    assert frame() == []
    assert frame((1, 150), (0, 100)) == [1, 0]
    outside = Pose(
        np.zeros((2, 2), np.float32), np.ones(2, np.float32), np.array([-9, -9, -1, -1], np.float32)
    )
    assert np.isnan(looks.embed(np.zeros((40, 200, 3), np.uint8), [outside])).all()
