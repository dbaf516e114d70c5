"""What a data set knows of a first network's points: stored results, mean shapes; and disturbed copies."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import toy_faces
from numpy.testing import assert_allclose, assert_array_equal

from posekit.datasets import TopDownDataset, load_coco, load_face_csv
from posekit.datasets.disturbed import write_disturbed
from posekit.datasets.stages import StoredPoints, mean_shape
from posekit.errors import ConfigError, DataError
from posekit.geometry import apply_warp, invert_warp
from posekit.skeletons import MTFL5
from posekit.structures import Skeleton
from posekit.transforms import Augment, Crop, Line, Shape, Upright
from posekit.transforms.similarity import rotation_matrix

EYES = {"type": Line, "start": ["right_eye"], "end": ["left_eye"]}
CROP = Crop((64, 64), convention="udp")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    root = toy_faces.write(tmp_path_factory.mktemp("faces"))
    return load_face_csv("faces.csv", ".", MTFL5, data_root=str(root))


# --- crops by labels -------------------------------------------------------------------------------------


def test_labels_that_are_upright_give_the_crop_of_their_box_exactly(table):
    """The box of these faces is the points' own: a perfect first stage changes nothing but the rotation."""
    plain, boxed = TopDownDataset(table, crop=CROP), TopDownDataset(table, crop=CROP, upright={"box": True})
    for one, other in zip(plain, boxed, strict=True):
        assert_array_equal(one.warp, other.warp)
        assert_array_equal(one.image, other.image)
    assert boxed.metainfo["crops"] == "box corrected by the labelled keypoints"
    assert "crops" not in plain.metainfo


def test_eyes_lie_level_and_keypoints_find_their_way_back(table):
    people = TopDownDataset(table, crop=CROP, upright=Upright(Line(["right_eye"], ["left_eye"])))
    for row, sample in enumerate(people):
        assert sample.keypoints[0, 1] == pytest.approx(sample.keypoints[1, 1], abs=1e-3)
        back = apply_warp(sample.keypoints, invert_warp(sample.warp))
        assert_allclose(back, table.keypoints[row], atol=1e-3)
        assert_array_equal(sample.box_xyxy, table.boxes_xyxy[row])  # results are of the given box


def test_random_changes_come_on_top_and_follow_the_seed(table):
    def people(**more):
        return TopDownDataset(table, crop=CROP, upright=Upright(Line(["right_eye"], ["left_eye"])), **more)

    augment = Augment(flip_prob=0.0, rotation=10, scale=(0.9, 1.1), shift=0.05)
    first, second = ([*people(augment=augment, seed=3)] for _ in range(2))
    angles = []
    for one, other, still in zip(first, second, people(), strict=True):
        assert_array_equal(one.warp, other.warp)
        assert not np.allclose(one.warp, still.warp)
        right, left = one.keypoints[:2]
        angles.append(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0])))
    assert 1 < np.abs(angles).max() <= 10


def test_who_is_not_labelled_keeps_the_box(table):
    import dataclasses

    visible = table.visible.copy()
    visible[0, 1] = 0  # without the left eye the line is not known
    people = TopDownDataset(dataclasses.replace(table, visible=visible), crop=CROP, upright={"turn": EYES})
    assert_array_equal(people[0].warp, TopDownDataset(table, crop=CROP)[0].warp)


# --- stored results --------------------------------------------------------------------------------------


def results(table, skeleton=MTFL5, leave=()):
    """Results as tools/test.py writes them, of faces turned by 20 degrees, for all but some people."""
    return [
        {
            "image_id": 1,
            "category_id": 1,
            "annotation_id": person,
            "score": 1.0,
            "keypoints": np.column_stack(
                [table.keypoints[row][[MTFL5.keypoints.index(k) for k in skeleton.keypoints]], np.ones(5)]
            )
            .ravel()
            .tolist(),
        }
        for row, person in enumerate(table.person_ids.tolist())
        if person not in leave
    ]


def test_stored_results_place_crops(table, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results(table, leave=[2])))
    stored = {"type": StoredPoints, "results": str(path)}
    people = TopDownDataset(table, crop=CROP, upright={"turn": EYES}, first_stage=stored)
    by_labels = TopDownDataset(table, crop=CROP, upright={"turn": EYES})
    for row in range(len(table)):
        expected = by_labels if table.person_ids[row] != 2 else TopDownDataset(table, crop=CROP)
        assert_allclose(people[row].warp, expected[row].warp, atol=1e-4)
    assert people.metainfo["crops"] == (
        f"rotation (by line) and box corrected by the points of {path}; 1 of 5 as their boxes, of which it "
        "tells nothing"
    )


def test_stored_results_of_another_order_of_keypoints(table, tmp_path):
    path, other = tmp_path / "results.json", Skeleton("other", MTFL5.keypoints[::-1])
    path.write_text(json.dumps(results(table, other)))
    found = StoredPoints(str(path), skeleton=other)(table, Upright(Line(["right_eye"], ["left_eye"])))
    assert_allclose(found[..., :2], table.keypoints, atol=1e-4)
    with pytest.raises(ConfigError, match="'chin' is not among the first network's keypoints"):
        StoredPoints(str(path), skeleton=other)(table, Upright(Line(["chin"], ["nose"])))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"annotation_id": None}, "result 0: expected an 'annotation_id'"),
        (
            {"keypoints": [1, 2, 3]},
            r"result 0, field 'keypoints': expected 15 numbers \(x, y, score\), found \[1",
        ),
        ({"keypoints": "none"}, "expected 15 numbers"),
        ({"annotation_id": 77}, r"of people of .*faces\.csv \(ids \[1, 2, 3\], ...\), found none among 1"),
    ],
)
def test_results_that_are_no_use(table, tmp_path, change, words):
    record = {key: value for key, value in {**results(table)[0], **change}.items() if value is not None}
    path = tmp_path / "results.json"
    path.write_text(json.dumps([record]))
    with pytest.raises(DataError, match=words):
        TopDownDataset(table, crop=CROP, upright={"turn": EYES}, first_stage=StoredPoints(str(path)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"first_stage": lambda table, upright: table.keypoints}, "'first_stage' needs an 'upright'"),
        (
            {"upright": {}, "first_stage": lambda table, upright: table.keypoints},
            r"\(N, K, 3\), found \(5, 5, 2\)",
        ),
        ({"upright": {"turn": {**EYES, "end": ["lefteye"]}}}, "'lefteye' is not .*; did you mean 'left_eye'"),
        ({"upright": {"trun": EYES}}, "Upright: .*trun"),
    ],
)
def test_data_sets_that_make_no_sense(table, settings, words):
    with pytest.raises(ConfigError, match=words):
        TopDownDataset(table, crop=CROP, **settings)


# --- mean shapes -----------------------------------------------------------------------------------------


def test_the_mean_shape_is_upright_and_turns_back(table):
    import dataclasses

    mean = mean_shape(table)
    shape = np.array(list(mean.values()))
    assert list(mean) == list(MTFL5.keypoints)
    assert_allclose(shape.mean(axis=0), 0, atol=1e-5)
    assert np.linalg.norm(shape) == pytest.approx(1, abs=0.01)
    centred = table.keypoints - table.keypoints.mean(axis=1, keepdims=True)
    turn = Shape(dict(zip(mean, centred.mean(axis=0).tolist(), strict=True)))
    assert turn.rotation(shape, np.ones(5, bool), MTFL5) == pytest.approx(0, abs=0.2)
    # Faces that lean to both sides have the same mean.
    leaning = np.concatenate([table.keypoints @ rotation_matrix(a).T for a in (-25, 25)])
    both = dataclasses.replace(
        table.select(np.r_[0:5, 0:5]),
        keypoints=leaning.astype(np.float32),
        visible=np.full((10, 5), 2, np.uint8),
    )
    assert_allclose(list(mean_shape(both).values()), shape, atol=2e-3)


def test_the_mean_of_nobody(table):
    import dataclasses

    with pytest.raises(DataError, match="expected people whose keypoints are all labelled"):
        mean_shape(dataclasses.replace(table, visible=np.zeros_like(table.visible)))


# --- disturbed copies ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lamps(tmp_path_factory):
    """A picture with five lamps at whole pixels, which are the keypoints."""
    root = tmp_path_factory.mktemp("lamps")
    points = np.array([[20, 30], [60, 30], [40, 50], [25, 65], [55, 65]])
    image = np.zeros((90, 80, 3), np.uint8)
    for x, y in points:
        cv2.circle(image, (int(x), int(y)), 3, (255, 255, 255), -1)
    assert cv2.imwrite(str(root / "a.png"), image)
    header = "image," + ",".join(f"x{i},y{i}" for i in range(5))
    row = ",".join(f"{value}" for value in points.ravel())
    (root / "faces.csv").write_text(f"{header}\na.png,{row}\na.png,{row}\n")
    return load_face_csv("faces.csv", ".", MTFL5, data_root=str(root))


def test_a_disturbed_copy_is_a_data_set(lamps, tmp_path):
    path = write_disturbed(lamps, tmp_path, rotation=30, shift=0.1, scale=0.15, seed=5)
    copy = load_coco(str(path), str(tmp_path / "images"), MTFL5, clean_boxes=False)
    assert copy.person_ids.tolist() == lamps.person_ids.tolist()
    shape = Shape(dict(zip(MTFL5.keypoints, lamps.keypoints[0].tolist(), strict=True)))
    angles = []
    for row in range(2):
        image = cv2.imread(copy[row].image_path)
        for x, y in copy.keypoints[row].round().astype(int):  # the lamps lie where the keypoints do
            assert image[y, x].min() > 200
        low, high = copy.keypoints[row].min(axis=0), copy.keypoints[row].max(axis=0)
        x1, y1, x2, y2 = copy.boxes_xyxy[row]
        factors = np.array([x2 - x1, y2 - y1]) / (high - low)
        assert factors[0] == pytest.approx(factors[1], abs=1e-4)
        assert 0.85 <= factors[0] <= 1.15
        off = (np.array([x1 + x2, y1 + y2]) / 2 - (low + high) / 2) / (high - low)
        assert (np.abs(off) <= 0.1).all()
        angles.append(-shape.rotation(copy.keypoints[row], np.ones(5, bool), MTFL5))
    assert 0 < min(map(abs, angles)) < max(map(abs, angles)) <= 30
    assert angles[0] != angles[1]


def test_a_disturbed_copy_follows_its_seed(lamps, tmp_path):
    first, second, other = (
        write_disturbed(lamps, tmp_path / name, seed=seed).read_text()
        for name, seed in zip("abc", (1, 1, 2), strict=True)
    )
    assert first == second != other
    assert (tmp_path / "a/images/1.png").read_bytes() == (tmp_path / "b/images/1.png").read_bytes()


def test_nothing_disturbed_is_the_same_picture(lamps, tmp_path):
    path = write_disturbed(lamps, tmp_path, rotation=0, shift=0, scale=0)
    copy = load_coco(str(path), str(tmp_path / "images"), MTFL5, clean_boxes=False)
    assert_array_equal(copy.keypoints, lamps.keypoints)
    assert_allclose(copy.boxes_xyxy, lamps.boxes_xyxy)
    assert_array_equal(cv2.imread(copy[0].image_path), cv2.imread(lamps[0].image_path))


def test_impossible_disturbance(lamps, tmp_path):
    with pytest.raises(ConfigError, match=r"'scale' must be in 0\.\.0\.99, found 1"):
        write_disturbed(lamps, tmp_path, scale=1)
