"""posekit.datasets.cutouts: who is person, by keypoints or polygons, and what is written of whom."""

from __future__ import annotations

import json

import numpy as np
import pytest
import toy_people
from numpy.testing import assert_array_equal
from toy_pose_config import write_config
from toy_training import run

from posekit.datasets import load_coco
from posekit.datasets.cutouts import cut_out, person_mask, polygon_mask, stands, write_cutouts
from posekit.errors import ConfigError, DataError
from posekit.io.images import cv2
from posekit.skeletons import get_skeleton
from posekit.transforms.pasting import Cutouts

LSP = get_skeleton("lsp14")
COCO = get_skeleton("coco17")
# A body in a picture 120 wide and 200 high.
BODY = {
    "head_top": (60, 20), "neck": (60, 52), "nose": (60, 34), "left_eye": (64, 31), "right_eye": (56, 31),
    "left_ear": (69, 34), "right_ear": (51, 34), "left_shoulder": (78, 58), "right_shoulder": (42, 58),
    "left_elbow": (88, 85), "right_elbow": (32, 85), "left_wrist": (92, 110), "right_wrist": (28, 110),
    "left_hip": (70, 110), "right_hip": (50, 110), "left_knee": (72, 145), "right_knee": (48, 145),
    "left_ankle": (74, 180), "right_ankle": (46, 180),
}  # fmt: skip


def keypoints(skeleton):
    return np.array([BODY[name] for name in skeleton.keypoints], np.float32)


def everybody(skeleton):
    return np.ones(skeleton.num_keypoints, bool)


def silhouette():
    """What the body covers, bool (200, 120): thick limbs, a torso and a head."""
    drawn = np.zeros((200, 120), np.uint8)
    for one, other in LSP.limbs:
        cv2.line(drawn, BODY[one], BODY[other], 1, 13)
    corners = [BODY[name] for name in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")]
    cv2.fillConvexPoly(drawn, np.array(corners, np.int32), 1)
    cv2.circle(drawn, (60, 36), 17, 1, -1)
    return drawn.astype(bool)


def photo():
    """The body in shades of red, on shades of green and blue."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 60, (200, 120, 3)) + np.array([20, 120, 110])
    picture[silhouette()] = rng.integers(0, 60, (int(silhouette().sum()), 3)) + np.array([180, 40, 30])
    return picture.astype(np.uint8)


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("skeleton", [LSP, COCO], ids=["lsp14", "coco17"])
def test_a_body_is_told_from_the_background(skeleton):
    found = person_mask(photo(), keypoints(skeleton), everybody(skeleton), skeleton)
    assert found.dtype == bool
    assert found.shape == (200, 120)
    assert overlap(found, silhouette()) > 0.93
    assert_array_equal(found, person_mask(photo(), keypoints(skeleton), everybody(skeleton), skeleton))


def test_a_large_photo_is_as_good():
    large = cv2.resize(photo(), (600, 1000), interpolation=cv2.INTER_NEAREST)
    found = person_mask(large, (keypoints(LSP) + 0.5) * 5 - 0.5, everybody(LSP), LSP)
    wanted = cv2.resize(silhouette().astype(np.uint8), (600, 1000), interpolation=cv2.INTER_NEAREST) > 0
    assert overlap(found, wanted) > 0.9


def test_a_stranger_of_the_same_colours_is_left_out():
    pair = np.concatenate([photo(), photo()], axis=1)
    found = person_mask(pair, keypoints(LSP), everybody(LSP), LSP)
    assert overlap(found[:, :120], silhouette()) > 0.9
    # A torso's length from the body there is background, whatever its colour.
    assert not found[:, 150:].any()


@pytest.mark.parametrize(("joint", "at"), [("left_ankle", 3e9), ("right_hip", 1e5), ("head_top", -4e5)])
def test_a_keypoint_far_outside_does_not_count(joint, at):
    points = keypoints(LSP)
    points[LSP.keypoints.index(joint)] = at
    found = person_mask(photo(), points, everybody(LSP), LSP)
    assert found is None if "hip" in joint else overlap(found, silhouette()) > 0.75


def test_a_sliver_of_a_photo_is_no_fault():
    sliver = np.full((2000, 3, 3), 90, np.uint8)
    sliver[:1000] = 30
    points = keypoints(LSP) * np.float32([0.02, 10])
    found = person_mask(sliver, points, everybody(LSP), LSP)
    assert found is None or found.shape == (2000, 3)


@pytest.mark.parametrize("name", ["mpii16", "crowdpose14", "lsp14"])
def test_a_head_is_known_by_other_names(name):
    skeleton = get_skeleton(name)
    places = BODY | {
        "head": BODY["head_top"],
        "upper_neck": BODY["neck"],
        "pelvis": (60, 110),
        "thorax": (60, 60),
    }
    points = np.array([places[one] for one in skeleton.keypoints], np.float32)
    # A head of another colour than the rest, as heads are.
    picture, head = photo(), np.zeros((200, 120), np.uint8)
    cv2.circle(head, (60, 36), 17, 1, -1)
    picture[head > 0] = np.random.default_rng(3).integers(0, 60, (int(head.sum()), 3)) + np.array(
        [170, 150, 30]
    )
    found = person_mask(picture, points, everybody(skeleton), skeleton)
    assert found[head > 0].mean() > 0.9
    assert stands(points, everybody(skeleton), skeleton)
    points[skeleton.keypoints.index("head" if name == "crowdpose14" else "head_top"), 1] = 100
    assert not stands(points, everybody(skeleton), skeleton)


def test_without_a_torso_or_with_all_of_one_colour_there_is_nobody():
    labelled = everybody(LSP)
    labelled[LSP.keypoints.index("left_hip")] = False
    assert person_mask(photo(), keypoints(LSP), labelled, LSP) is None
    close = photo()[60:105, 45:75]  # within the torso: all of it is person
    assert person_mask(close, keypoints(LSP) - (45, 60), everybody(LSP), LSP) is None


def test_polygons_are_cocos_and_run_lengths_are_none():
    square = [[10, 5, 30, 5, 30, 25, 10, 25]]
    found = polygon_mask(square, (40, 60))
    assert found.shape == (40, 60)
    assert found.sum() == 400
    assert found[5:25, 10:30].all()
    two = polygon_mask([*square, [40, 5, 50, 5, 50, 15, 40, 15]], (40, 60))
    assert two.sum() == 500
    assert polygon_mask([], (40, 60)) is None
    assert polygon_mask(None, (40, 60)) is None
    assert polygon_mask({"counts": [0, 10], "size": [40, 60]}, (40, 60)) is None


BAD = [
    "polygon", [10, 5, 30, 5, 30, 25], [[]], [[10, 10, 30, 40]], [[10, 5, 30, 5, 30, 25, 10]], [None], [True],
    [{}],
    [[[10, 5], [30, 5], [30, 25]]], [["10", 5, 30, 5, 30, 25]], [[float("nan"), 5, 30, 5, 30, 25]],
    [[None, 5, 30, 5, 30, 25]], [[1e9, 5, 30, 5, 30, 25]], [[10, 5, 30, 5, 30, 25], [10, 5]],
    [[True, 5, 30, 5, 30, 25]],
]  # fmt: skip


@pytest.mark.parametrize("segmentation", BAD, ids=str)
def test_a_faulty_polygon_stops_at_once_or_is_counted(tmp_path, segmentation):
    table, content = write(tmp_path)
    content["annotations"][2]["segmentation"] = segmentation
    named = r"people\.json: annotations\[2\] \(id 13\), field 'segmentation': expected polygons"
    with pytest.raises(DataError, match=named):
        write_cutouts(table, content, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    done = write_cutouts(table, content, tmp_path / "out", standing=True, on_bad_record="skip")
    assert done.left_out == {"not_seen_to_sit_or_stand": 1, "faulty_polygons": 1}


def test_polygons_beyond_the_photo_are_cut_at_its_edge():
    far = polygon_mask([[-9000, 5, 30, 5, 30, 25, -9000, 25]], (40, 60))
    assert far[5:25, :30].all()
    assert far.sum() == 600


def test_a_cutout_that_fills_its_box_is_soft_at_every_edge():
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    alpha = cut_out(np.zeros((40, 40, 3), np.uint8), mask)[..., 3]
    assert alpha[1:-1, 1:-1].min() == 255
    for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
        assert edge.max() < 255
        assert edge.min() > 0


def test_a_cutout_is_as_large_as_its_mask_and_soft_within():
    picture = photo()
    found = cut_out(picture, silhouette())
    rows, columns = np.nonzero(silhouette())
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    assert found.shape == (bottom - top, right - left, 4)
    assert_array_equal(found[..., :3], picture[top:bottom, left:right])
    inside = silhouette()[top:bottom, left:right]
    assert (found[..., 3][~inside] == 0).all()
    assert (found[..., 3][inside] > 0).all()
    assert found[..., 3].max() == 255
    assert 0 < (found[..., 3] < 255)[inside].mean() < 0.5


@pytest.mark.parametrize("skeleton", [LSP, COCO], ids=["lsp14", "coco17"])
def test_who_stands(skeleton):
    upright, labelled = keypoints(skeleton), everybody(skeleton)
    assert stands(upright, labelled, skeleton)
    assert not stands(-upright, labelled, skeleton)  # on their head
    assert not stands(upright[:, ::-1], labelled, skeleton)  # lying
    leaning = upright + np.outer(upright[:, 1], [-1.1, 0])
    assert stands(leaning, labelled, skeleton)
    assert not stands(upright + np.outer(upright[:, 1], [-1.3, 0]), labelled, skeleton)
    top = skeleton.keypoints.index("head_top" if skeleton is LSP else "nose")
    bowed = upright.copy()
    bowed[top, 1] = 90
    assert not stands(bowed, labelled, skeleton)
    others = np.arange(len(labelled)) != top
    assert stands(bowed, others, skeleton) == (skeleton is COCO)  # LSP labels nothing else of the head
    assert not stands(upright, np.array([name != "left_hip" for name in skeleton.keypoints]), skeleton)


def write(folder):
    """Three people: one by keypoints, one lying, one by a polygon."""
    # The first stands in the corner of a larger photo.
    large = np.random.default_rng(1).integers(0, 60, (300, 270, 3)) + np.array([20, 120, 110])
    large[100:, 150:] = photo()
    toy_people.write_picture(folder / "images" / "a.png", large.astype(np.uint8))
    toy_people.write_picture(folder / "images" / "b.png", photo())

    def person(number, image, points, **more):  # fmt: skip
        low, high = points.min(axis=0) - 12, points.max(axis=0) + 12
        flat = np.column_stack([points, np.full(len(points), 2)]).ravel()
        return {
            "id": number, "image_id": image, "category_id": 1, "iscrowd": 0, "area": 5000.0,
            "bbox": [*low.tolist(), *(high - low).tolist()], "keypoints": flat.tolist(), **more,
        }  # fmt: skip

    lying = keypoints(LSP).copy()
    lying[:, 1] = 200 - lying[:, 1]
    square = {"segmentation": [[20, 20, 100, 20, 100, 120, 20, 120]]}
    content = {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 270, "height": 300},
            {"id": 2, "file_name": "b.png", "width": 120, "height": 200},
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(LSP.keypoints), "skeleton": []}],
        "annotations": [
            person(11, 1, keypoints(LSP) + np.float32([150, 100])),
            person(12, 2, lying),
            person(13, 2, keypoints(LSP), **square),
        ],
    }
    (folder / "people.json").write_text(json.dumps(content))
    table = load_coco("people.json", "images", LSP, data_root=str(folder))
    return table, content


def test_people_are_written_each_to_a_file(tmp_path):
    table, content = write(tmp_path)
    done = write_cutouts(table, content, tmp_path / "out", standing=True)
    assert done.people == 2
    assert done.left_out == {"not_seen_to_sit_or_stand": 1}
    found = Cutouts(tmp_path / "out")
    assert found.names == ["a_11.png", "b_13.png"]
    first = found.read(0)
    rows, columns = np.nonzero(silhouette())
    assert abs(first.shape[0] - (rows.max() + 1 - rows.min())) <= 4
    assert abs(first.shape[1] - (columns.max() + 1 - columns.min())) <= 4
    assert abs(int((first[..., 3] > 0).sum()) / int(silhouette().sum()) - 1) < 0.08
    second = found.read(1)
    assert second.shape == (100, 80, 4)
    assert_array_equal(second[..., :3], photo()[20:120, 20:100])


def test_small_people_are_left_out_and_so_are_all(tmp_path):
    table, content = write(tmp_path)
    done = write_cutouts(table, content, tmp_path / "out", least_side=120)
    assert done.left_out == {"small": 1}  # the polygon's
    assert done.people == 2
    with pytest.raises(DataError, match=r"people\.json: nobody could be cut out; left out: small 3"):
        write_cutouts(table, content, tmp_path / "none", least_side=1000)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ConfigError, match="expected a new or empty folder"):
        write_cutouts(table, content, tmp_path / "out")


def test_a_thin_strip_is_small(tmp_path):
    table, content = write(tmp_path)
    content["annotations"][2]["segmentation"] = [[20, 20, 100, 20, 100, 24, 20, 24]]
    assert write_cutouts(table, content, tmp_path / "out").left_out == {"small": 1}


def test_people_without_keypoints_and_long_names_are_told_and_written(tmp_path):
    _, content = write(tmp_path)
    long = "ü" * 100 + ".png"
    (tmp_path / "images" / "b.png").rename(tmp_path / "images" / long)
    content["images"][1]["file_name"] = long
    content["annotations"][0]["keypoints"] = [0] * len(content["annotations"][0]["keypoints"])
    content["annotations"][1]["keypoints"][2 + 3 * LSP.keypoints.index("left_hip")] = 0
    (tmp_path / "people.json").write_text(json.dumps(content))
    table = load_coco("people.json", "images", LSP, data_root=str(tmp_path))
    done = write_cutouts(table, content, tmp_path / "out")
    assert (done.people, done.left_out) == (1, {"no_labelled_keypoint": 1, "no_shoulders_or_hips": 1})
    assert Cutouts(tmp_path / "out").names == ["ü" * 50 + "_13.png"]


def test_a_photo_that_cannot_be_read_stops_or_is_counted(tmp_path):
    table, content = write(tmp_path)
    (tmp_path / "images" / "b.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"b\.png"):
        write_cutouts(table, content, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    done = write_cutouts(table, content, tmp_path / "out", on_bad_image="skip")
    assert (done.people, done.left_out) == (1, {"photo_unreadable": 2})


def test_a_person_outside_the_photo_is_nobody(tmp_path):
    table, content = write(tmp_path)
    table.boxes_xyxy[0] += 500
    done = write_cutouts(table, content, tmp_path / "out")
    assert done.left_out == {"box_outside_the_photo": 1}


def test_the_tool_cuts_out_a_files_people(tmp_path, capsys):
    write(tmp_path)
    words = ("cut_out", "people.json", "--images", "images", "--out")
    assert run(*words, "out", "--standing", cwd=tmp_path) == 0
    assert capsys.readouterr().out == "2 people cut out: out\nleft out: not_seen_to_sit_or_stand 1\n"
    assert run(*words, "out", cwd=tmp_path) == 2
    assert "expected a new or empty folder" in capsys.readouterr().err


def test_the_tool_cuts_out_a_configs_people(tmp_path, capsys):
    write(tmp_path)
    write_config(tmp_path)
    options = ("--cfg-options", "skeleton=lsp14", "train_dataloader.dataset.source.ann_file=people.json")
    assert run("cut_out", "people.py", "--out", "out", "--least-side", "120", *options, cwd=tmp_path) == 0
    assert "2 people cut out: out\nleft out: small 1\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("people.json", "--out", "o"), "state the folder of its photos: --images PHOTOS"),
        (("people.json", "--images", "images", "--split", "val", "--out", "o"), "--split go with a config"),
        (("config.py", "--images", "images", "--out", "o"), "drop --images and --category"),
        (
            ("config.py", "--on-bad-record", "skip", "--out", "o"),
            "--on-bad-record goes with an annotation file",
        ),
        (
            ("people.json", "--images", "images", "--least-side", "0", "--out", "o"),
            "--least-side: expected at",
        ),
    ],
)
def test_options_that_do_not_go_together_are_told(tmp_path, capsys, words, told):
    write(tmp_path)
    assert run("cut_out", *words, cwd=tmp_path) == 2
    assert told in capsys.readouterr().err
