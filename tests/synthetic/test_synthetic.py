"""The synthetic data set's files: the same everywhere, whole or not there."""

from __future__ import annotations

import json
from collections import Counter

import cv2
import numpy as np
import pytest
import reference
from scipy.io import loadmat
from synthetic_cases import crop_geometry, load, make_data

from posekit.errors import ConfigError, DataError
from posekit.skeletons import MPII16
from posekit.synthetic import write_synthetic_people, writer
from posekit.synthetic.__main__ import main
from posekit.synthetic.records import coco_annotations


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory)


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


def test_crops_hold_nearly_all_labelled_joints(data):
    held = []
    for person in load(data / "annotations/mpii_train.json"):
        corner, side = crop_geometry(person)
        places = (np.array(person["joints"]) - 1 - corner) / side
        held += ((places > 0) & (places < 1)).all(axis=1)[np.array(person["joints_vis"]) > 0].tolist()
    assert np.mean(held) > 0.995


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
