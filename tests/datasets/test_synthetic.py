"""The embedded data set: its rules (determinism, head size, occlusion, no shortcuts) and its files."""

import json
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
import reference
from scipy.io import loadmat

from posekit.datasets.skeletons import MPII16
from posekit.datasets.synthetic import body, look, poses, shapes, write_synthetic_people, writer
from posekit.datasets.synthetic.__main__ import main
from posekit.datasets.synthetic.figure import Shape, make_figure
from posekit.datasets.synthetic.props import Prop
from posekit.datasets.synthetic.records import annotate, coco_annotations
from posekit.datasets.synthetic.scene import Scene
from posekit.errors import ConfigError, DataError

CROP = 64
PCKH_JOINTS = [k for k in range(16) if k not in (6, 7)]  # MPII scores all but pelvis and thorax


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_synthetic_people(tmp_path_factory.mktemp("set") / "people", 420, 110, progress=False)


def load(path):
    return json.loads(path.read_text("utf-8"))


def upright():
    return poses.PoseAngles(0.0, 0.0, 0.0, np.zeros(3), np.zeros(3), np.zeros((2, 4)), np.zeros((2, 4)))


# --- the body


def test_upright_body_by_hand():
    sizes = body.sample_proportions(np.random.default_rng(0))
    joints = body.build_body(sizes, upright()).joints
    at = {name: joints[body.JOINT[name]] for name in MPII16.keypoints}
    legs, spine = sizes.thigh + sizes.shin, sizes.torso + sizes.neck + sizes.head
    assert at["left_ankle"] == pytest.approx([sizes.hip, -legs, 0])  # facing us, its left is our right
    assert at["head_top"] == pytest.approx([0, spine, 0])
    assert at["right_wrist"][0] == pytest.approx(-sizes.shoulder)
    assert legs + spine + body.ANKLE_HEIGHT == pytest.approx(1)


@pytest.mark.parametrize(("column", "expected"), [(0, [0, 0, 1]), (1, [1, 0, 0])])
def test_left_arm_raised_by_90_degrees_points_forward_or_left(column, expected):
    sizes = body.sample_proportions(np.random.default_rng(0))
    arms = np.zeros((2, 4))
    arms[0, column] = 90
    joints = body.build_body(sizes, replace(upright(), arms=arms)).joints
    upper = joints[body.JOINT["left_elbow"]] - joints[body.JOINT["left_shoulder"]]
    assert upper / sizes.upper_arm == pytest.approx(np.array(expected), abs=1e-12)


def test_bones_keep_their_lengths_and_joints_their_limits():
    rng = np.random.default_rng(1)
    for _ in range(100):
        pose, sizes = poses.sample_pose(rng), body.sample_proportions(rng)
        for angles, limits in (
            (pose.arms, poses.ARM_LIMITS),
            (pose.legs, poses.LEG_LIMITS),
            (pose.spine, poses.SPINE_LIMITS),
            (pose.head, poses.HEAD_LIMITS),
        ):
            assert (angles >= limits[:, 0]).all()
            assert (angles <= limits[:, 1]).all()
        joints = body.build_body(sizes, pose).joints
        for one, two, length in (
            ("right_hip", "right_knee", sizes.thigh),
            ("left_elbow", "left_wrist", sizes.forearm),
            ("pelvis", "thorax", sizes.torso),
            ("upper_neck", "head_top", sizes.head),
        ):
            found = np.linalg.norm(joints[body.JOINT[one]] - joints[body.JOINT[two]])
            assert found == pytest.approx(length)


def test_left_and_right_arms_and_legs_come_from_one_distribution():
    rng = np.random.default_rng(2)
    drawn = [poses.sample_pose(rng) for _ in range(3000)]
    for limbs in (np.array([p.arms for p in drawn]), np.array([p.legs for p in drawn])):
        difference = limbs[:, 0] - limbs[:, 1]
        error = difference.std(axis=0) / np.sqrt(len(drawn))
        assert (np.abs(difference.mean(axis=0)) < 4 * error).all()


# --- colours


def limb_colours(person):
    """RGB (side, limb, 3) as painted: upper arm, forearm, thigh, shin."""
    sides = []
    for row in range(2):
        arm, leg = person.sleeves[row], person.legs[row]
        pairs = [(arm, person.sleeve_length, k) for k in (1, 2)] + [
            (leg, person.leg_length, k) for k in (1, 2)
        ]
        sides.append([cloth if length >= k else person.skin for cloth, length, k in pairs])
    return np.array(sides)


def test_limb_colours_tell_neither_side_nor_joint():
    rng = np.random.default_rng(3)
    colours = np.array([limb_colours(look.sample_look(rng)) for _ in range(4000)])  # person, side, limb, rgb
    error = colours.std() * np.sqrt(2 / len(colours))
    mean, spread = colours.mean(axis=0), colours.std(axis=0)
    assert np.abs(mean[0] - mean[1]).max() < 4 * error  # left against right
    assert np.abs(spread[0] - spread[1]).max() < 4 * error
    # Arm against leg: upper arm and thigh, forearm and shin.
    assert np.abs(mean[:, :2] - mean[:, 2:]).max() < 4 * error
    assert np.abs(spread[:, :2] - spread[:, 2:]).max() < 4 * error


def test_a_colour_belongs_to_a_garment_not_to_a_joint():
    rng = np.random.default_rng(4)
    looks = [look.sample_look(rng) for _ in range(500)]
    alike = [np.array_equal(*p.sleeves) and np.array_equal(*p.legs) for p in looks]
    odd_left = sum(not np.array_equal(p.sleeves[0], p.top) for p in looks)
    odd_right = sum(not np.array_equal(p.sleeves[1], p.top) for p in looks)
    assert 0.6 < np.mean(alike) < 0.95
    assert abs(odd_left - odd_right) < 4 * np.sqrt(odd_left + odd_right)


# --- outlines and visibility


def test_outline_of_a_capsule_by_hand():
    centres, axes = np.array([[[0.0, 0.0], [10.0, 0.0]]]), np.tile(2 * np.eye(2), (1, 2, 1, 1))
    heights, points = shapes.ellipse_pair_hulls(centres, axes)
    assert heights[0, 0] == pytest.approx(12)
    assert heights[0, 10] == pytest.approx(2)
    assert points[0, 0] == pytest.approx([12, 0])
    asked = np.array([[5.0, 1.9], [5.0, 2.1], [11.9, 0.0], [-2.1, 0.0]])
    assert shapes.contains(heights, asked)[:, 0].tolist() == [True, False, True, False]
    assert shapes.topmost(np.concatenate([heights, heights + 1]), asked).tolist() == [1, 1, 1, 1]
    assert shapes.topmost(np.zeros((0, 20)), asked).tolist() == [-1] * 4


def standing_figure():
    person = body.build_body(body.sample_proportions(np.random.default_rng(0)), upright())
    dressed = look.sample_look(np.random.default_rng(0))
    return make_figure(person, dressed, np.array([0.0, -1.0]), 6.0).place(200.0, np.array([130.0, 120.0]))


def test_visibility_flags_of_a_hidden_and_a_cut_off_joint():
    figure = standing_figure()
    elbow = figure.joints[body.JOINT["left_elbow"]]
    corners = elbow + np.array([[-12, -12], [12, -12], [12, 12], [-12, 12]])
    prop = Prop([Shape("prop", corners, np.zeros(3), True)], shapes.polygon_hull(corners)[0][None])
    cut = int(figure.joints[body.JOINT["left_knee"], 1]) + 20  # below the knees
    note = annotate(Scene((cut, 260), [figure, prop], [0], [], []), np.random.default_rng(0)).people[0]
    flags = dict(zip(MPII16.keypoints, note.visible.tolist(), strict=True))
    assert flags.pop("left_elbow") == 1
    assert note.covered == 1
    assert (flags.pop("left_ankle"), flags.pop("right_ankle")) == (0, 0)
    assert {name for name, flag in flags.items() if flag != 2} == set()
    assert note.box_xyxy[3] == cut


def test_area_counts_only_what_is_seen():
    figure = standing_figure()
    whole = annotate(Scene((260, 260), [figure], [0], [], []), np.random.default_rng(0)).people[0].area
    wall = np.array([[-9.0, -9], [130, -9], [130, 300], [-9, 300]])
    prop = Prop([Shape("prop", wall, np.zeros(3), True)], shapes.polygon_hull(wall)[0][None])
    half = annotate(Scene((260, 260), [figure, prop], [0], [], []), np.random.default_rng(0)).people[0].area
    silhouette = np.zeros((260, 260), np.uint8)
    for shape in figure.shapes:
        cv2.fillPoly(silhouette, [np.rint(shape.points).astype(np.int32)], 1)
    assert whole == pytest.approx(silhouette.sum(), rel=0.12)
    assert half == pytest.approx(whole / 2, rel=0.15)


# --- the rules on people


@pytest.fixture(scope="module")
def main_people():
    notes = [writer.make_image(0, "val", k)[1] for k in range(200)]
    return [person for note in notes for person in note.people if person.role == "main"]


def test_head_size_is_at_most_a_tenth_of_the_height(main_people):
    for person in main_people:
        head = 0.6 * np.linalg.norm(person.head_box[1] - person.head_box[0])
        assert head <= 0.1 * person.stature
        assert head <= 0.1 * np.ptp(person.joints[:, 1])  # bent bodies too


def test_at_least_30_percent_are_hidden_or_cut_off_by_others(main_people):
    affected = [person.covered > 0 or (person.visible == 0).any() for person in main_people]
    assert np.mean(affected) >= 0.3
    covered = [person.covered for person in main_people if person.covered]
    assert 1 <= np.median(covered) <= 4
    assert max(covered) <= 7
    assert max((person.visible == 0).sum() for person in main_people) <= 5


def test_views_and_sizes_vary(main_people):
    facing = [p.joints[13, 0] > p.joints[12, 0] for p in main_people]  # left shoulder on our right
    assert 0.75 < np.mean(facing) < 0.95
    assert np.percentile([p.stature for p in main_people], 95) > 1.6 * np.percentile(
        [p.stature for p in main_people], 5
    )


# --- determinism


def test_an_image_depends_on_seed_split_and_number_alone():
    image, note = writer.make_image(5, "train", 3)
    writer.make_image(5, "train", 2)
    again, same = writer.make_image(5, "train", 3)
    assert np.array_equal(image, again)
    assert all(np.array_equal(a.joints, b.joints) for a, b in zip(note.people, same.people, strict=True))
    for other in ((6, "train", 3), (5, "val", 3), (5, "train", 4)):
        assert not np.array_equal(writer.make_image(*other)[1].people[0].joints, note.people[0].joints)


def files_of(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_same_bytes_for_any_number_of_workers(tmp_path):
    one = write_synthetic_people(tmp_path / "one", 20, 4, seed=7, workers=1, progress=False)
    two = write_synthetic_people(tmp_path / "zwei ä", 20, 4, seed=7, workers=2, progress=False)
    assert files_of(one) == files_of(two)


# --- files


def test_coco_file(data):
    held = load(data / "annotations/person_keypoints_val.json")
    assert {"info", "licenses", "images", "annotations", "categories"} == set(held)
    category = held["categories"][0]
    assert category["keypoints"] == list(MPII16.keypoints)
    assert category["sigmas"] == list(MPII16.sigmas)
    assert min(min(pair) for pair in category["skeleton"]) == 1
    sizes = {i["id"]: (i["width"], i["height"]) for i in held["images"]}
    assert len(sizes) == 110
    assert len({a["id"] for a in held["annotations"]}) == len(held["annotations"])
    for item in held["annotations"]:
        width, height = sizes[item["image_id"]]
        x, y, w, h = item["bbox"]
        assert w > 0
        assert h > 0
        assert x >= 0
        assert y >= 0
        assert x + w <= width + 0.01
        assert y + h <= height + 0.01
        assert 0 < item["area"] <= w * h * 1.001  # sides are rounded
        points = np.array(item["keypoints"]).reshape(16, 3)
        assert item["num_keypoints"] == (points[:, 2] > 0).sum()
        assert (points[points[:, 2] == 0] == 0).all()
        assert (points[:, :2] <= [width - 1, height - 1]).all()
    first = held["images"][0]
    image = cv2.imread(str(data / "images/val" / first["file_name"]))
    assert image.shape[:2] == (first["height"], first["width"])


def test_pycocotools_scores_the_truth_with_one(data):
    coco_api = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    truth = coco_api.COCO(str(data / "annotations/person_keypoints_val.json"))
    results = [
        {k: a[k] for k in ("image_id", "category_id", "keypoints")} | {"score": 1.0}
        for a in truth.dataset["annotations"]
        if a["num_keypoints"]
    ]
    run = evaluation.COCOeval(truth, truth.loadRes(results), "keypoints")
    run.params.kpt_oks_sigmas = np.array(MPII16.sigmas)
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert run.stats[0] == pytest.approx(1)
    assert run.stats[5] == pytest.approx(1)


def test_mpii_files_agree_with_each_other_and_with_coco(data):
    people = load(data / "annotations/mpii_valid.json")
    mat = loadmat(data / "annotations/gt_valid.mat")
    joints = np.array([p["joints"] for p in people])
    labelled = np.array([p["joints_vis"] for p in people]) > 0
    assert mat["jnt_missing"].dtype == np.uint8
    assert np.array_equal(mat["jnt_missing"].T == 0, labelled)
    truth = mat["pos_gt_src"].transpose(2, 0, 1)
    assert np.allclose(truth[labelled], joints[labelled])
    assert (truth[~labelled] == 0).all()
    assert (joints[~labelled] == -1).all()
    assert mat["headboxes_src"].shape == (2, 2, len(people))
    assert (mat["headboxes_src"][1] > mat["headboxes_src"][0]).all()
    assert [str(name[0]) for name in mat["dataset_joints"][0][:2]] == ["rank", "rkne"]
    coco = load(data / "annotations/person_keypoints_val.json")
    names = {i["id"]: i["file_name"] for i in coco["images"]}
    listed = {(names[a["image_id"]], tuple(a["keypoints"])) for a in coco["annotations"]}
    for person in people[:20]:
        points = [
            (round(x - 1, 2), round(y - 1, 2)) if vis else (0.0, 0.0)
            for (x, y), vis in zip(person["joints"], person["joints_vis"], strict=True)
        ]
        close = [
            np.allclose(np.array(keypoints).reshape(16, 3)[:, :2], points, atol=0.011)
            for name, keypoints in listed
            if name == person["image"]
        ]
        assert any(close)
    head = 0.6 * np.linalg.norm(mat["headboxes_src"][1] - mat["headboxes_src"][0], axis=0)
    assert (head <= 0.1 * 200 * np.array([p["scale"] for p in people])).all()


def crop_geometry(person):
    """Corner and side of the release's crop, 0-based: centre + 15 scale, side 1.25 * 200 * scale."""
    side = 250 * person["scale"]
    x, y = person["center"]
    return np.array([x, y + 15 * person["scale"]]) - 1 - side / 2, side


def test_crops_hold_nearly_all_labelled_joints(data):
    held = []
    for person in load(data / "annotations/mpii_train.json"):
        corner, side = crop_geometry(person)
        places = (np.array(person["joints"]) - 1 - corner) / side
        held += ((places > 0) & (places < 1)).all(axis=1)[np.array(person["joints_vis"]) > 0].tolist()
    assert np.mean(held) > 0.995


# --- no shortcuts


def crops(data, split, name):
    """RGB crops (N, 64, 64, 3), joints (N, 16, 2) in them, labelled (N, 16), crop sides (N,)."""
    images, joints, labelled, sides = [], [], [], []
    for person in load(data / "annotations" / name):
        image = cv2.imread(str(data / "images" / split / person["image"]))[..., ::-1]
        corner, side = crop_geometry(person)
        zoom = CROP / side
        warp = np.array([[zoom, 0, -zoom * corner[0]], [0, zoom, -zoom * corner[1]]])
        images.append(cv2.warpAffine(cv2.GaussianBlur(image, (0, 0), 0.4 / zoom), warp, (CROP, CROP)))
        joints.append((np.array(person["joints"]) - 1 - corner) * zoom)
        labelled.append(np.array(person["joints_vis"]) > 0)
        sides.append(side)
    return np.stack(images), np.stack(joints), np.stack(labelled), np.array(sides)


@pytest.fixture(scope="module")
def cropped(data):
    train, val = crops(data, "train", "mpii_train.json"), crops(data, "val", "mpii_valid.json")
    boxes = loadmat(data / "annotations/gt_valid.mat")["headboxes_src"]
    heads = 0.6 * np.linalg.norm(boxes[1] - boxes[0], axis=0) * CROP / val[3]
    return train, val, heads


def pckh(predicted, val, heads):
    """PCKh@0.5 in percent over all labelled joints of the crops."""
    error = np.linalg.norm(predicted - val[1], axis=-1) / heads[:, None]
    return 100 * (error[:, PCKH_JOINTS] <= 0.5)[val[2][:, PCKH_JOINTS]].mean()


def mean_pose(train):
    return np.array([train[1][train[2][:, k], k].mean(axis=0) for k in range(16)])


def test_the_measure_gives_the_truth_100(cropped):
    _, val, heads = cropped
    assert pckh(val[1], val, heads) == 100


def test_mean_and_median_pose_stay_below_30(cropped):
    train, val, heads = cropped
    median = np.array([np.median(train[1][train[2][:, k], k], axis=0) for k in range(16)])
    assert pckh(mean_pose(train)[None], val, heads) < 30
    assert pckh(median[None], val, heads) < 30


@pytest.mark.parametrize("side", [8, 16, 32])
@pytest.mark.parametrize("normalised", [False, True])
def test_nearest_neighbour_in_pixels_stays_below_30(cropped, side, normalised):
    train, val, heads = cropped
    pixels = []
    for images in (train[0], val[0]):
        small = np.stack([cv2.resize(i, (side, side), interpolation=cv2.INTER_AREA) for i in images])
        flat = small.reshape(len(images), -1).astype(np.float64)
        pixels.append(
            (flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True) if normalised else flat
        )
    distance = (pixels[0] ** 2).sum(axis=1)[None] - 2 * pixels[1] @ pixels[0].T
    nearest = distance.argmin(axis=1)
    copied = np.where(train[2][nearest][..., None], train[1][nearest], mean_pose(train))
    assert pckh(copied, val, heads) < 30


@pytest.mark.parametrize("with_prior", [False, True])
def test_colour_lookup_stays_below_30(cropped, with_prior):
    """Per joint, the likelihood of each of 512 colours, smoothed, with and without where it usually is."""
    train, val, heads = cropped
    bins = [(images // 32).astype(int) @ [64, 8, 1] for images in (train[0], val[0])]
    everywhere = np.bincount(bins[0].ravel(), minlength=512) + 1.0
    y, x = np.mgrid[:CROP, :CROP]
    predicted = np.zeros_like(val[1])
    for k, centre in enumerate(mean_pose(train)):
        rows = np.flatnonzero(train[2][:, k])
        places = np.clip(np.rint(train[1][rows, k]).astype(int), 0, CROP - 1)
        here = np.bincount(bins[0][rows, places[:, 1], places[:, 0]], minlength=512) + 0.1
        gain = np.log(here / here.sum() / (everywhere / everywhere.sum()))
        spread = train[1][rows, k].std(axis=0)
        prior = -(((x - centre[0]) / spread[0]) ** 2 + ((y - centre[1]) / spread[1]) ** 2) / 2
        for row, colours in enumerate(bins[1]):
            score = cv2.GaussianBlur(gain[colours].astype(np.float32), (0, 0), 1.5) + with_prior * prior
            predicted[row, k] = np.unravel_index(score.argmax(), score.shape)[::-1]
    assert pckh(predicted, val, heads) < 30


# --- writing


def test_a_complete_set_is_left_alone_and_a_damaged_one_is_written_anew(tmp_path, monkeypatch):
    out = write_synthetic_people(tmp_path / "set", 6, 3, progress=False, workers=1)
    before = files_of(out)
    with monkeypatch.context() as patched:
        patched.setattr(writer, "_fill", lambda *_: pytest.fail("wrote a complete set again"))
        write_synthetic_people(out, 6, 3, progress=False)
    (out / "images/train/000000000002.jpg").write_bytes(b"")
    write_synthetic_people(out, 6, 3, progress=False, workers=1)
    assert files_of(out) == before
    (out / "annotations/mpii_train.json").write_text("[]")
    write_synthetic_people(out, 6, 3, progress=False, workers=1)
    assert files_of(out) == before
    write_synthetic_people(out, 5, 3, progress=False, workers=1)
    counts = Counter(path.parts[0:2] for path in files_of(out))
    assert counts[("images", "train")] == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set"]


def test_an_interrupted_run_leaves_what_was_there(tmp_path, monkeypatch):
    out = write_synthetic_people(tmp_path / "set", 4, 2, progress=False, workers=1)
    before = files_of(out)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "_annotation_files", interrupted)
    for target in (out, tmp_path / "new"):
        with pytest.raises(KeyboardInterrupt):
            write_synthetic_people(target, 5, 2, progress=False, workers=1)
    assert files_of(out) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set"]


def test_foreign_folders_and_bad_numbers_are_refused(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match=r"manifest\.json"):
        write_synthetic_people(mine, 4, 2, progress=False)
    (mine / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match="nothing was changed"):
        write_synthetic_people(mine, 4, 2, progress=False)
    assert (mine / "letter.txt").read_text() == "dear"
    with pytest.raises(ConfigError, match="num_train"):
        write_synthetic_people(tmp_path / "x", 0, 2, progress=False)


def test_command_line(tmp_path, capsys):
    out = tmp_path / "set"
    arguments = ["--out", str(out), "--train", "3", "--val", "2", "--seed", "4", "--workers", "1"]
    assert main(arguments) == 0
    assert "3 training and 2 validation images" in capsys.readouterr().out
    assert (out / "annotations/gt_valid.mat").exists()
    (tmp_path / "a file").write_text("")
    assert main(["--out", str(tmp_path / "a file")]) == 2
    assert "nothing was changed" in capsys.readouterr().err


def test_annotations_are_the_same_on_every_machine():
    """Golden values: written by this very function's loop on Linux x86-64, numpy 2.4.

    They change with the rendering; ``writer.VERSION`` then has to change too.
    """
    held = json.loads((reference.GOLDEN / "synthetic_people.json").read_text("utf-8"))
    assert held["version"] == writer.VERSION
    for item in held["images"]:
        _, note = writer.make_image(item["seed"], item["split"], item["index"])
        assert list(note.size_hw) == item["size_hw"]
        found = coco_annotations(note, item["index"])
        assert [a["num_keypoints"] for a in found] == [a["num_keypoints"] for a in item["annotations"]]
        for one, two in zip(found, item["annotations"], strict=True):
            assert np.allclose(one["keypoints"], two["keypoints"], atol=0.011)
            assert one["bbox"] == pytest.approx(two["bbox"], abs=0.011)
            assert one["area"] == pytest.approx(two["area"], abs=0.011)


# --- pictures of several people


def test_people_option_makes_pictures_of_several_people(tmp_path):
    out = tmp_path / "groups"
    assert main(["--out", str(out), "--train", "3", "--val", "12", "--people", "4", "--workers", "1"]) == 0
    content = load(out / "annotations" / "person_keypoints_val.json")
    people = Counter(annotation["image_id"] for annotation in content["annotations"])
    assert max(people.values()) in (3, 4)
    assert sum(people.values()) > 18
    assert not any(annotation["iscrowd"] for annotation in content["annotations"])
    for image in content["images"]:
        assert 260 <= min(image["height"], image["width"]) <= max(image["height"], image["width"]) <= 400
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        image = next(image for image in content["images"] if image["id"] == annotation["image_id"])
        assert min(x, y) >= 0
        assert x + width <= image["width"] + 0.01
        assert y + height <= image["height"] + 0.01
    assert load(out / "manifest.json")["settings"]["people"] == 4


def test_people_option_is_no_setting_of_the_quickstarts_set(tmp_path):
    write_synthetic_people(tmp_path / "plain", 1, 1, workers=1, progress=False)
    assert "people" not in load(tmp_path / "plain" / "manifest.json")["settings"]
    with pytest.raises(ConfigError, match="'people' must be from 1 to 12, found 13"):
        write_synthetic_people(tmp_path / "many", 1, 1, most_people=13)
