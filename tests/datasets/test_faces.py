"""Data sets of faces: every form as published, read and refused; attributes of mirrored faces."""

from __future__ import annotations

import csv
import pickle

import cv2
import numpy as np
import pytest
import reference
import scipy.io

from posekit.datasets import (
    TopDownDataset,
    load_300w,
    load_aflw,
    load_cofw,
    load_face_csv,
    load_mtfl,
    load_wflw,
)
from posekit.datasets.faces import unpack_cofw
from posekit.datasets.sampler import SampleKey
from posekit.errors import ConfigError, DataError
from posekit.io.images import read_image
from posekit.skeletons import IBUG68
from posekit.transforms import Augment, Crop

RNG = np.random.default_rng(0)


def picture(path, size_hw=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size_hw, 3), 90, np.uint8))


def write_rows(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return str(path)


HEADER = ["image", *(f"{axis}{k}" for k in range(5) for axis in "xy")]
FACE = np.array([[8.5, 9], [20, 9], [14, 15], [9, 22], [19, 21.25]])
CELLS = FACE.ravel().tolist()


@pytest.fixture
def root(tmp_path):
    for name in ("a", "b", "sub/c"):
        picture(tmp_path / f"{name}.png")
    return tmp_path


# --- csv -------------------------------------------------------------------------------------------------


def test_csv(root):
    """Two faces of one picture; a point that is not labelled; a face without points is left out."""
    other = [*CELLS[:4], "", "", *CELLS[6:]]
    rows = [["a.png", *CELLS, 1.5], ["sub/c.png", *other, ""], ["a.png", *CELLS, 2], ["b.png", *[""] * 10, 1]]
    file = write_rows(root / "f.csv", [[*HEADER, "score"], *rows])
    table = load_face_csv("f.csv", "", "mtfl5", str(root), extra={"score": -1, "age": -1})
    assert table.image_names.tolist() == [b"a.png", b"sub/c.png", b"b.png"]
    assert table.image_sizes_hw.tolist() == [[40, 30]] * 3
    assert (table.person_ids.tolist(), table.image_index.tolist()) == ([1, 2, 3], [0, 1, 0])
    np.testing.assert_allclose(table.keypoints[0], FACE)
    assert table.visible.tolist() == [[2] * 5, [2, 2, 0, 2, 2], [2] * 5]
    np.testing.assert_allclose(table.boxes_xyxy[0], [8.5, 9, 20, 22])
    np.testing.assert_allclose(table.annotated_wh[0], [11.5, 13])
    assert table.extra["score"].tolist() == [1.5, -1, 2]
    assert table.extra["age"].tolist() == [-1, -1, -1]
    assert table.counts["no_labelled_keypoint"] == 1
    whole = load_face_csv(file, str(root), "mtfl5", box="image")
    np.testing.assert_allclose(whole.boxes_xyxy, [[0, 0, 29, 39]] * 3)


@pytest.mark.parametrize(
    ("rows", "settings", "error", "message"),
    [
        (
            [HEADER, ["a.png", *CELLS]],
            {"skeleton": "ibug68"},
            ConfigError,
            "has 5 points, skeleton 'ibug68' 68",
        ),
        ([HEADER, ["a.png", *CELLS]], {"extra": ["age"]}, ConfigError, "there is no column 'age'"),
        ([HEADER, ["a.png", *CELLS]], {"box": "file"}, ConfigError, "'box' must be one of"),
        ([HEADER, ["a.png", *CELLS]], {"on_bad_record": "drop"}, ConfigError, "must be 'error' or 'skip'"),
        ([HEADER, ["a.png", *CELLS[:-1], "inf"]], {}, DataError, "line 2, column 'y4': expected a finite"),
        ([[*HEADER, "age"], ["a.png", *CELLS, ""]], {"extra": ["age"]}, DataError, "line 2, column 'age'"),
        ([HEADER, ["a.png", *([3] * 10)]], {}, DataError, "person id 1 on a.png, field 'bbox'"),
        ([HEADER, ["../a.png", *CELLS]], {}, DataError, "'file_name'"),
        ([HEADER], {}, DataError, "expected at least one usable person"),
        ([HEADER, ["a.png", *CELLS]], {"extra": "yaw"}, ConfigError, r"list of names.*'yaw'.*\['yaw'\]"),
        *(
            (
                [[*HEADER, "pose"], ["a.png", *CELLS, 1]],
                {"extra": ["pose"], "mirror": mirror},
                ConfigError,
                words,
            )
            for mirror, words in (
                ({"posse": {1: 2, 2: 1}}, "names the column 'posse', which is not read.*did you mean 'pose'"),
                ({"pose": {"1": 2, "2": 1}}, "'mirror' of 'pose' must be whole number -> whole number"),
                ({"pose": [[1, 2]]}, "'mirror' of 'pose' must be whole number -> whole number"),
                ({"pose": {1: 2}}, "makes 2 of 1, but not 1 of 2"),
                (["pose"], r"must be column -> value -> value.*found \['pose'\]"),
            )
        ),
    ],
)
def test_what_a_csv_lacks_is_told(root, rows, settings, error, message):
    file = write_rows(root / "f.csv", rows)
    with pytest.raises(error, match=message):
        load_face_csv(file, str(root), **{"skeleton": "mtfl5", **settings})


@pytest.mark.parametrize("open_in", [(2,), (2, 4)])
def test_a_quote_left_open_swallows_no_rows(root, open_in):
    rows = [["x" if n not in open_in else '"x', "a.png", *CELLS] for n in range(6)]
    lines = [",".join([*HEADER, "note"]), *(",".join(map(str, [*row[1:], row[0]])) for row in rows)]
    (root / "f.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"f\.csv: cannot be read as csv"):
        load_face_csv(str(root / "f.csv"), str(root), skeleton="mtfl5")


def test_faulty_faces_can_be_skipped(root):
    file = write_rows(root / "f.csv", [HEADER, ["a.png", *([3] * 10)], ["b.png", *CELLS]])
    table = load_face_csv(file, str(root), "mtfl5", on_bad_record="skip")
    assert (table.person_ids.tolist(), table.counts["bad_record"]) == ([2], 1)


@pytest.mark.parametrize(("name", "faces"), [("afw", 337), ("helen_train", 870)])
def test_300w_as_csv(name, faces):
    folder = reference.path(f"data/face300w/{name}")
    table = load_face_csv(f"{name}.csv", name, "ibug68", str(folder.parent))
    assert (len(table), table.skeleton) == (faces, IBUG68)
    sample = TopDownDataset(table, crop=Crop((64, 64)))[0]
    assert sample.image.shape == (3, 64, 64)
    assert sample.weight.sum() > 60


# --- 300-W -----------------------------------------------------------------------------------------------


def write_pts(path, points, head="version: 1\nn_points:  {}\n{{\n", suffix=".png"):
    picture(path.with_suffix(suffix))
    lines = "".join(f"{x:.3f} {y:.3f}\n" for x, y in points)
    path.write_text(head.format(len(points)) + lines + "}\n")


def test_300w_as_published(tmp_path):
    faces = RNG.uniform(3, 28, (3, 68, 2)).round(3)
    write_pts(tmp_path / "helen" / "testset" / "2.pts", faces[1])
    write_pts(tmp_path / "helen" / "testset" / "1_1.pts", faces[0], suffix=".jpg")
    write_pts(tmp_path / "ibug" / "image 3.pts", faces[2])
    table = load_300w({"helen/testset": 0, "ibug": 1}, str(tmp_path))
    assert table.image_names.tolist() == [
        b"helen/testset/1_1.jpg",
        b"helen/testset/2.png",
        b"ibug/image 3.png",
    ]
    np.testing.assert_allclose(table.keypoints, faces - 1, atol=1e-5)
    assert table.extra["subset"].tolist() == [0, 0, 1]
    assert load_300w(["ibug"], str(tmp_path), first_pixel=0).keypoints[0, 0, 0] == pytest.approx(
        faces[2, 0, 0]
    )
    TopDownDataset(table)[2]


def test_faulty_pts_files(tmp_path):
    with pytest.raises(DataError, match=r"expected a folder with \.pts files"):
        load_300w(["ibug"], str(tmp_path))
    path, good = tmp_path / "ibug" / "a.pts", np.ones((68, 2)) * np.arange(68)[:, None]
    for text, message in (
        ("version: 1\nn_points: 2\n{\n1 2\n}", r"found n_points \['2'\] and numbers of shape \(1, 2\)"),
        ("version: 1\nn_points: 1\n{\n1 2 3\n}", "two numbers in each line|K lines of two numbers"),
        ("version: 1\nn_points: 1\n{\n1 far\n}", "two numbers in each line"),
        ("version: 1\nn_points: 1\n{\n1 nan\n}", "expected finite numbers"),
        ("n_points: 1\n1 2\n", "within braces"),
    ):
        write_pts(path, good)
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            load_300w(["ibug"], str(tmp_path))
    write_pts(path, good)
    write_pts(tmp_path / "ibug" / "b.pts", good[:5])
    with pytest.raises(DataError, match=r"b\.pts: expected 68 points as before, found 5"):
        load_300w(["ibug"], str(tmp_path))
    (tmp_path / "ibug" / "a.png").unlink()
    with pytest.raises(DataError, match=r"a\.pts: there is no picture a\.jpg or so beside it"):
        load_300w(["ibug"], str(tmp_path))


# --- WFLW ------------------------------------------------------------------------------------------------


def test_wflw(root):
    faces, attributes = RNG.uniform(2, 28, (2, 98, 2)).round(4), [[1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 1]]
    lines = [
        " ".join(map(str, [*face.ravel(), 3, 4, 25, 26, *own, name]))
        for face, own, name in zip(faces, attributes, ("sub/c.png", "a.png"), strict=True)
    ]
    (root / "list.txt").write_text("\n".join(lines) + "\n")
    table = load_wflw("list.txt", "", str(root))
    np.testing.assert_allclose(table.keypoints, faces, atol=1e-5)
    np.testing.assert_allclose(table.boxes_xyxy, [[3, 4, 25, 26]] * 2)
    assert table.annotated_wh.tolist() == [[22, 22]] * 2
    assert {name: own.tolist() for name, own in table.extra.items()} == {
        "pose": [1, 0], "expression": [0, 0], "illumination": [0, 1], "make_up": [1, 0], "occlusion": [0, 0],
        "blur": [0, 1],
    }  # fmt: skip
    tight = load_wflw("list.txt", "", str(root), box="points").boxes_xyxy[0]
    np.testing.assert_allclose(tight, [*faces[0].min(axis=0), *faces[0].max(axis=0)], atol=1e-5)
    for line, message in (
        (lines[0].replace(" 1 0 0 1 0 0 ", " 1 0 0 7 0 0 "), "line 1: expected six attributes of 0 or 1"),
        (lines[0].rpartition(" ")[0], "line 1: expected 196 coordinates, .*, found 206 words"),
        (lines[0].replace(" 25 ", " far "), "expected 206 numbers before each image's name"),
    ):
        (root / "list.txt").write_text(line)
        with pytest.raises(DataError, match=message):
            load_wflw("list.txt", "", str(root))


# --- COFW ------------------------------------------------------------------------------------------------


def write_cofw(path, test=False, **changes):
    points = RNG.uniform(3, 28, (2, 29, 2))
    occluded = np.zeros((2, 29))
    occluded[0, :3] = 1
    pictures = np.empty((2, 1), object)
    pictures[0, 0] = RNG.integers(0, 256, (40, 30), dtype=np.uint8)
    pictures[1, 0] = RNG.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    end = "T" if test else "Tr"
    variables = {
        f"phis{end}": np.concatenate([points[..., 0], points[..., 1], occluded], axis=1),
        f"bboxes{end}": np.array([[3, 4, 20, 22], [5, 6, 10, 11]], float), f"Is{end}": pictures,
    }  # fmt: skip
    scipy.io.savemat(path, variables | changes)
    return points, pictures


@pytest.mark.parametrize("test", [False, True])
def test_cofw(tmp_path, test):
    points, pictures = write_cofw(tmp_path / "c.mat", test)
    assert unpack_cofw(str(tmp_path / "c.mat"), str(tmp_path / "images")) == 2
    table = load_cofw("c.mat", "images", str(tmp_path))
    np.testing.assert_allclose(table.keypoints, points - 1, atol=1e-5)
    assert table.visible[:, :4].tolist() == [[1, 1, 1, 2], [2, 2, 2, 2]]
    np.testing.assert_allclose(table.boxes_xyxy, [[2, 3, 22, 25], [4, 5, 14, 16]])
    np.testing.assert_allclose(table.extra["occluded"], [3 / 29, 0])
    np.testing.assert_array_equal(read_image(table.image_path(0)), np.stack([pictures[0, 0]] * 3, axis=2))
    np.testing.assert_array_equal(read_image(table.image_path(1)), pictures[1, 0])
    assert len(TopDownDataset(table)) == 2


def test_faulty_cofw(tmp_path):
    path = tmp_path / "c.mat"
    for changes, message in (
        ({"phisTr": np.ones((2, 60))}, "'phisTr': expected N x 87 numbers, found float64 of shape"),
        ({"bboxesTr": np.ones((3, 4))}, "'bboxesTr' has 3 faces, 'phisTr' 2"),
    ):
        write_cofw(path, **changes)
        with pytest.raises(DataError, match=message):
            load_cofw(str(path), str(tmp_path))
    scipy.io.savemat(path, {"x": 1})
    with pytest.raises(DataError, match="expected the variables"):
        unpack_cofw(str(path), str(tmp_path))
    write_cofw(path, IsTr=np.array([[1.0]]))
    with pytest.raises(DataError, match="picture 1: expected bytes"):
        unpack_cofw(str(path), str(tmp_path))


# --- AFLW ------------------------------------------------------------------------------------------------


def write_aflw(path, names, **changes):
    count = len(names)
    cells = np.empty((count, 1), object)
    cells[:, 0] = [np.array([name]) for name in names]
    points, mask = RNG.uniform(3, 28, (count, 19, 2)), np.ones((count, 19))
    mask[0, 5] = 0
    variables = {
        "data": np.concatenate([points[..., 0], points[..., 1]], axis=1), "mask_new": mask,
        "bbox": np.tile([2.0, 22, 3, 27], (count, 1)), "nameList": cells,
        "ra": np.arange(count, 0, -1)[None],
    }  # fmt: skip
    scipy.io.savemat(path, variables | changes)
    return points


def test_aflw(root, monkeypatch):
    monkeypatch.setattr("posekit.datasets.faces.mat_files.AFLW_TRAIN", 2)
    points = write_aflw(root / "i.mat", ["a.png", "b.png", "sub/c.png"])
    table = load_aflw("i.mat", "", "train", str(root))
    assert table.person_ids.tolist() == [2, 3]  # the order begins with the last face
    np.testing.assert_allclose(table.keypoints, points[1:], atol=1e-5)
    np.testing.assert_allclose(table.boxes_xyxy, [[2, 3, 22, 27]] * 2)
    test = load_aflw("i.mat", "", "test", str(root))
    assert (test.person_ids.tolist(), test.extra["frontal"].tolist()) == ([1], [0])
    assert np.flatnonzero(test.visible[0] == 1).tolist() == [5]
    assert load_aflw("i.mat", "", "all", str(root)).extra["frontal"].tolist() == [0, 1, 1]


def test_faulty_aflw(root):
    path = root / "i.mat"
    with pytest.raises(ConfigError, match="'part' must be one of"):
        load_aflw("i.mat", "", "val", str(root))
    for changes, message in (
        ({"data": np.ones((1, 42))}, "'data': expected N x 38 numbers"),
        ({"ra": np.array([[2]])}, "'ra': expected an order of the faces from 1 to 1"),
        ({"mask_new": np.ones((2, 19))}, "'mask_new' has 2 faces, 'data' 1"),
    ):
        write_aflw(path, ["a.png"], **changes)
        with pytest.raises(DataError, match=message):
            load_aflw("i.mat", "", "all", str(root))


# --- MTFL ------------------------------------------------------------------------------------------------

ATTRIBUTES = ["gender", "smile", "glasses", "pose"]


def test_mtfl_in_both_forms(root):
    rows = [["a.png", *CELLS, 1, 2, 1, 4], ["sub/c.png", *CELLS, 2, "", "", 1]]
    file = write_rows(root / "f.csv", [[*HEADER, *ATTRIBUTES], *rows])
    table = load_mtfl("f.csv", "", str(root))
    assert {name: own.tolist() for name, own in table.extra.items()} == {
        "gender": [1, 2], "smile": [2, -1], "glasses": [1, -1], "pose": [4, 1],
    }  # fmt: skip
    lines = [
        ["a.png", *FACE[:, 0], *FACE[:, 1], 1, 2, 1, 4],
        [r"sub\c.png", *FACE[:, 0], *FACE[:, 1], 2, 1, 1, 1],
    ]
    (root / "training.txt").write_text("".join(f" {' '.join(map(str, line))}\r\n" for line in lines) + " \n")
    published = load_mtfl("training.txt", "", str(root))
    np.testing.assert_array_equal(published.keypoints, table.keypoints)
    np.testing.assert_array_equal(published.image_names, table.image_names)
    assert published.extra["pose"].tolist() == [4, 1]
    for text, message in (
        (
            file,
            r"f\.csv, face 2 \(sub/c\.png\), 'pose': expected one of \[1, 2, 3, 4, 5\], or -1",
        ),
        ("a.png 1 2", r"face 1: expected an image, ten coordinates and four attributes, found 3 words"),
        ("a.png" + " x" * 14, r"expected numbers behind each image's name"),
    ):
        if text == file:
            write_rows(root / "f.csv", [[*HEADER, *ATTRIBUTES], rows[0], [*rows[1][:-1], 6]])
        else:
            (root / "training.txt").write_text(text)
        with pytest.raises(DataError, match=message):
            load_mtfl("f.csv" if text == file else "training.txt", "", str(root))


@pytest.fixture
def posed(root):
    """Five faces of the poses 1 to 5, and one of which nothing is known."""
    rows = [["a.png", *CELLS, 1, 2, 1, pose] for pose in (1, 2, 3, 4, 5, "")]
    write_rows(root / "f.csv", [[*HEADER, *ATTRIBUTES], *rows])
    return load_mtfl("f.csv", "", str(root))


def test_a_mirrored_face_looks_the_other_way(posed):
    """Every sample that is mirrored, and no other, has the pose of the mirror image; the rest stays."""
    plain = TopDownDataset(posed, crop=Crop((32, 32)))
    augment = Augment(flip_prob=0.5)
    dataset = pickle.loads(pickle.dumps(TopDownDataset(posed, crop=Crop((32, 32)), augment=augment)))
    mirrored = {1: 5, 2: 4, 3: 3, 4: 2, 5: 1, -1: -1}
    seen = set()
    for row in range(6):
        for epoch in range(8):
            sample = dataset[SampleKey(0, epoch, row)]
            flipped, pose = sample.warp[0, 0] < 0, int(plain[row].extra["pose"])
            assert sample.extra["pose"] == (mirrored[pose] if flipped else pose)
            assert sample.extra["pose"].dtype == np.int64
            assert (sample.extra["gender"], sample.extra["smile"]) == (1, 2)
            seen.add(flipped)
    assert seen == {True, False}
    assert posed.select([1, 0]).mirror == posed.mirror


@pytest.mark.parametrize(("part", "faces"), [("train", 10000), ("test", 1498)])
def test_mtfls_poses_are_where_the_noses_point(part, faces):
    folder = reference.path(f"data/mtfl/{part}")
    table = load_mtfl("labels.csv", "images", str(folder), box="image")
    assert len(table) == faces
    points, pose = table.keypoints, table.extra["pose"]
    turn = points[:, 2, 0] - points[:, :2, 0].mean(axis=1)
    means = [turn[pose == value].mean() for value in (1, 2, 3, 4, 5)]
    assert means == sorted(means)
    assert means[1] < -2 < 2 < means[3]
