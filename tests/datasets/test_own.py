"""posekit.datasets.own: names, sides, repeated labels, splits, annotations of strange but legal shapes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import label_forms
import numpy as np
import pytest
from label_forms import FOXES, NAMES, points_of
from numpy.testing import assert_allclose

from posekit.datasets import load_coco
from posekit.datasets.importers import Category, Person, Picture, read_labels
from posekit.datasets.importers.pictures import PictureFolder
from posekit.datasets.own.dataset import box_around, own_dataset
from posekit.datasets.own.names import misspelt, pairs_by_side, plain_names
from posekit.datasets.own.repeats import merge_repeats, sigmas_of_repeats
from posekit.datasets.own.skeleton import DEFAULT_SIGMA, propose_skeleton
from posekit.datasets.own.split import split_pictures
from posekit.errors import ConfigError, DataError
from posekit.skeletons import COCO17, SKELETONS

NONE = np.zeros((0, 4))

# --- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_ear", "right_ear"),
        ("ear_left", "ear_right"),
        ("front_left_paw", "front_right_paw"),
        ("l_ear", "r_ear"),
        ("ear_l", "ear_r"),
        ("ear-L", "ear-R"),
        ("L", "R"),
        ("earLeft", "earRight"),
        ("LeftEar", "RightEar"),
        ("LEar", "REar"),
        ("earL", "earR"),
        ("left ear", "right ear"),
        ("Left.Ear", "Right.Ear"),
        ("leftear", "rightear"),
        ("earleft", "earright"),
        ("LF_paw", "RF_paw"),
        ("bl", "br"),
        ("left1", "right1"),
        ("LEFT_EAR", "RIGHT_EAR"),
    ],
)
def test_sides_pair_up(left, right):
    assert pairs_by_side(["nose", right, "tail", left]) == ([(left, right)], [])


def test_a_side_needs_its_other_side():
    assert pairs_by_side(["lamp", "bright", "lower", "roller", "l1", "alright"]) == ([], [])
    assert pairs_by_side(["left_ear", "nose"]) == ([], ["left_ear"])


def test_every_pair_of_the_public_skeletons_is_found():
    for skeleton in SKELETONS.values():
        assert sorted(pairs_by_side(skeleton.keypoints)[0]) == sorted(skeleton.flip_pairs)


def test_names_become_plain_and_different():
    plain, notes = plain_names(["left ear", "eye", "eye", "", "eye_2", " a/b "])
    assert plain == ("left_ear", "eye", "eye_3", "point_3", "eye_2", "a_b")
    assert notes[1] == "keypoint 2 'eye' is called 'eye_3'"
    assert len(notes) == 4


# --- sigmas ----------------------------------------------------------------------------------------------


def _people(sigma, count, labels, area=10_000.0, seed=0):
    """Objects far apart, each labelled several times, off by sigma * sqrt(area) in root mean square."""
    rng = np.random.default_rng(seed)
    people = []
    for picture in range(count):
        truth = rng.uniform(0, 1000, (4, 2))
        for _ in range(labels):
            points = truth + rng.normal(0, sigma * np.sqrt(area / 2), (4, 2))
            people.append(Person(picture, "fox", np.c_[points, np.full(4, 2.0)], (0, 0, 100, 100), area))
    return people, [area] * len(people)


@pytest.mark.parametrize("labels", [2, 4])
def test_sigmas_are_how_far_labels_differ(labels):
    people, variances, merged = merge_repeats(*_people(0.04, 400, labels))
    assert len(people) == len(variances) == 400
    assert merged == 400 * (labels - 1)
    assert_allclose(sigmas_of_repeats(variances), 0.04, rtol=0.1)


def test_labels_merge_into_their_mean():
    first, second = (np.array(p, float) for p in ([[10, 10, 2], [50, 50, 1]], [[14, 10, 1], [50, 54, 2]]))
    people = [Person(0, "fox", points, (0, 0, 100, 100), 10_000.0) for points in (first, second, first)]
    (one,), variances, merged = merge_repeats(people, [10_000.0] * 3)
    assert one.points.tolist() == [[12, 10, 2], [50, 52, 2]]
    assert merged == 2
    assert_allclose(
        variances, [[8e-4, 8e-4]]
    )  # two deviations of 2 pixels, over n - 1 = 1: the third is a copy


def test_copies_and_neighbours_are_no_repeats():
    people, areas = _people(0.04, 3, 1)
    moved = [Person(p.picture, "fox", p.points + np.array([40, 0, 0]), p.box_xywh, p.area) for p in people]
    apart = [replace(p, points=p.points + 0.5, box_xywh=(60, 60, 100, 100)) for p in people]
    kept, variances, merged = merge_repeats([*people, *people, *moved, *apart], areas * 4)
    assert (len(kept), len(variances), merged) == (9, 0, 3)
    assert sigmas_of_repeats(variances) == ()


def test_a_rarely_repeated_keypoint_takes_the_mean():
    variances = np.full((11, 2), 0.0016)
    variances[:9, 1] = np.nan
    variances[9:, 1] = 0.01
    assert sigmas_of_repeats(variances) == (0.04, round(float(np.sqrt((11 * 0.0016 + 2 * 0.01) / 13)), 4))
    assert sigmas_of_repeats(variances[:9]) == ()


# --- skeleton --------------------------------------------------------------------------------------------


def test_what_the_file_says_comes_first():
    category = Category(NAMES, ((0, 3),), ((0, 3),), (0.1, 0.2, 0.3, 0.4))
    skeleton, mirrored, grounds, _ = propose_skeleton(category, "fox4", NONE)
    assert skeleton.flip_pairs == (("nose", "tail"),)
    assert skeleton.limbs == (("nose", "tail"),)
    assert skeleton.sigmas == (0.1, 0.2, 0.3, 0.4)
    assert mirrored
    assert grounds["sigmas"] == "the file's"


def test_defaults_are_called_defaults():
    skeleton, mirrored, grounds, _ = propose_skeleton(Category(NAMES), "fox4", NONE)
    assert skeleton.flip_pairs == (("left_ear", "right_ear"),)
    assert skeleton.sigmas == (DEFAULT_SIGMA,) * 4
    assert mirrored
    assert grounds["sigmas"].startswith("a default")
    assert grounds["mirror"] == "left_ear <-> right_ear, by their names"


def test_cocos_keypoints_have_cocos_sigmas_and_limbs():
    skeleton, _, grounds, _ = propose_skeleton(Category(COCO17.keypoints), "x", np.zeros((0, 17)))
    assert (skeleton.sigmas, skeleton.limbs) == (COCO17.sigmas, COCO17.limbs)
    assert "those of coco17" in grounds["sigmas"]


@pytest.mark.parametrize(
    ("names", "words"), [(("a", "b"), "no left and right"), (("left_a", "b"), "'left_a' names a side")]
)
def test_without_pairs_nothing_is_mirrored(names, words):
    _, mirrored, grounds, _ = propose_skeleton(Category(names), "x", NONE)
    assert not mirrored
    assert words in grounds["mirror"]


def test_the_user_has_the_last_word_on_mirroring():
    def mirroring(**settings):
        skeleton, mirrored, _, _ = propose_skeleton(Category(NAMES), "x", NONE, **settings)
        return skeleton.flip_pairs, mirrored

    assert mirroring(flip_pairs=[]) == ((), True)
    assert mirroring(flip_pairs=[("nose", "tail")]) == ((("nose", "tail"),), True)
    assert mirroring(mirror=False)[1] is False
    with pytest.raises(ConfigError, match="found 'paw'; the keypoints are nose, left_ear"):
        mirroring(flip_pairs=[("nose", "paw")])


# --- split -----------------------------------------------------------------------------------------------


def test_the_split_depends_on_names_and_seed_alone():
    names = [f"{k}.jpg" for k in range(10)]

    def val(order, seed):
        rows, _ = split_pictures([names[k] for k in order], [None] * 10, 0.3, seed)
        assert sorted(rows["train"] + rows["val"]) == list(range(10))
        return {names[order[row]] for row in rows["val"]}

    assert len(val(range(10), 0)) == 3
    assert val(range(10), 0) == val(list(reversed(range(10))), 0) != val(range(10), 1)


def test_a_stated_split_is_kept():
    rows, how = split_pictures(["a", "b", "c", "d"], ["val", "train", "test", "train"], 0.5, 0)
    assert rows == {"train": [1, 3], "val": [0]}
    assert how == "as the data set states it; others in neither: 1"


def test_the_smallest_sets_have_both_parts():
    assert split_pictures(["a"], [None], 0.2, 0)[0] == {"train": [0], "val": [0]}
    assert [len(rows) for rows in split_pictures(["a", "b"], [None] * 2, 0.01, 0)[0].values()] == [1, 1]
    with pytest.raises(ConfigError, match="--val-share: expected a number between 0 and 1, found 1"):
        split_pictures(["a", "b"], [None] * 2, 1, 0)


# --- pictures --------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "day/a.png", "day/b.png", "night/c.png", "day/c.png"):
        label_forms.write_picture(tmp_path / name, label_forms.picture(8, 6))
    return PictureFolder(tmp_path)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.png", "a.png"),
        ("day/a.png", "day/a.png"),
        ("b.png", "day/b.png"),
        ("/home/me/data/day/a.png", "day/a.png"),
        ("C:\\data\\day\\b.png", "day/b.png"),
        ("./day/b.png", "day/b.png"),
        ("../media/night/c.png", "night/c.png"),
        ("dusk/b.png", None),
        ("d.png", None),
        ("", None),
    ],
)
def test_pictures_are_found(folder, name, found):
    assert folder.find(name) == found


def test_open_questions_about_pictures_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"one picture 'c\.png', found day/c\.png and night/c\.png"):
        folder.find("c.png")
    with pytest.raises(DataError, match="expected the folder of the pictures"):
        PictureFolder(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found none; state --images DIR"):
        PictureFolder(tmp_path / "empty")


def turned_picture(path: Path, orientation: int, size_wh=(6, 8)) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_wh).save(path, exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_exif_turns_needs_a_size_that_tells(tmp_path, orientation):
    turned_picture(tmp_path / "a.jpg", orientation)
    pictures = PictureFolder(tmp_path)
    for stated, expected in [
        (None, (8, 6) if orientation == 1 else None),
        ((8, 6), None if orientation in (2, 3, 4) else (8, 6)),
        ((6, 8), (6, 8) if orientation >= 5 else None),
        ((6, 9), None),
    ]:
        if expected:
            assert pictures.sizes([Picture("a.jpg", stated)], "x") == [("a.jpg", expected)]
        else:
            with pytest.raises(DataError):
                pictures.sizes([Picture("a.jpg", stated)], "x")
    turned_picture(tmp_path / "square.jpg", 6, (8, 8))
    with pytest.raises(DataError, match=r"found EXIF orientation 6; .* save it upright"):
        PictureFolder(tmp_path).sizes([Picture("square.jpg", (8, 8))], "x")


@pytest.mark.parametrize("orientation", [2, 3, 4, 6, 8])
def test_yolo_with_a_picture_that_exif_turns_is_refused(tmp_path, orientation):
    """Its labels are shares of a picture that Ultralytics has turned; they state no size."""
    source = label_forms.yolo(tmp_path)
    for path in sorted(tmp_path.rglob("*.png")):
        turned_picture(path, orientation, (60, 40))
    with pytest.raises(DataError, match=f"found EXIF orientation {orientation}; .* save it upright"):
        own_dataset(read_labels(source), PictureFolder(tmp_path), source)


def test_labels_of_an_upright_picture_are_read_as_they_were_made(tmp_path):
    """From LabelMe's file to the crop: posekit turns the picture, and the point stays on the spot."""
    from PIL import Image

    from posekit.datasets.pictures import read_picture

    upright = np.zeros((40, 60, 3), np.uint8)
    upright[6:12, 40:46] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored rows are turned once to the right to be seen
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
    stored.save(tmp_path / "a.png", exif=exif)
    shapes = [
        {"label": name, "points": [point], "shape_type": "point"}
        for name, point in (("spot", [43, 9]), ("corner", [20, 30]))
    ]
    sides = {"imagePath": "a.png", "imageHeight": 40, "imageWidth": 60}
    source = label_forms.write(tmp_path / "a.json", {**sides, "shapes": shapes})
    data = own_dataset(read_labels(source), PictureFolder(tmp_path), source)
    path = label_forms.write(tmp_path / "out" / "all.json", data.contents["annotations"])
    with pytest.warns(UserWarning, match="labelled upright"):
        table = load_coco(str(path), str(tmp_path), data.skeleton)
    image = read_picture(table, 0)
    assert image.shape == (40, 60, 3)
    x, y = table[0].keypoints[0].astype(int)
    assert image[y, x].tolist() == [255, 255, 255]
    assert image.mean() < 10


def test_a_link_out_of_the_folder_is_refused(tmp_path, monkeypatch):
    label_forms.write_picture(tmp_path / "out" / "a.png", label_forms.picture(8, 6))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").symlink_to(tmp_path / "out" / "a.png")
    pictures = PictureFolder(tmp_path / "in")
    with pytest.raises(
        DataError, match=r"x\.json: .* found a link to .*; if you made it yourself, set POSEKIT"
    ):
        pictures.sizes([Picture("a.png")], "x.json")
    monkeypatch.setenv("POSEKIT_OUTSIDE_LINKS", "allow")
    assert pictures.sizes([Picture("a.png")], "x.json") == [("a.png", (8, 6))]


def labelled(*counts: tuple[int, ...]) -> np.ndarray:
    """bool (N, K): (how many objects, with which keypoints) each."""
    rows = [np.isin(range(3), own) for number, *own in counts for _ in range(number)]
    return np.array(rows)


@pytest.mark.parametrize(
    ("names", "rows", "note"),
    [
        (
            ("nose", "tail", "nsoe"),
            labelled((9, 0, 1), (1, 1, 2)),
            "'nsoe' occurs once on 10 objects; did you",
        ),
        (("nose", "tail", "noses"), labelled((97, 0), (3, 2)), "'noses' occurs 3 times on 100 objects; did"),
        (("nose", "tail", "noses"), labelled((95, 0), (5, 2)), None),  # 5 % is not rare
        (("l_ear", "tail", "r_ear"), labelled((9, 0), (1, 0, 2)), None),  # one object has both
        (("nose", "tail", "paw"), labelled((9, 0), (1, 2)), None),
        (("point_1", "tail", "point_2"), labelled((9, 0), (1, 2)), None),
        (("l_ear", "tail", "r_ear"), labelled((9, 0), (1, 2)), None),
        (("nose", "tail", "nose"), labelled((9, 0), (1, 2)), None),
        (("eye", "tail", "ear"), labelled((9, 0), (1, 2)), None),  # two of three letters
        (("nose", "tail", "noses"), labelled((1, 0), (1, 2)), None),  # neither is the usual one
    ],
)
def test_a_rare_name_near_a_frequent_one_is_doubted(names, rows, note):
    found = misspelt(names, rows)
    assert len(found) == (note is not None)
    assert all(f"keypoint {note}" in one and f"mean '{names[0]}'?" in one for one in found)


def test_doubts_about_a_name_are_told(tmp_path):
    for number in range(4):
        label_forms.write_picture(tmp_path / f"{number}.png", label_forms.picture(40, 60))
        shapes = [
            {"label": name, "points": [point], "shape_type": "point"}
            for name, point in (("nose" if number else "noes", [9, 9]), ("tail", [30, 30]))
        ]
        sides = {"imagePath": f"{number}.png", "imageHeight": 40, "imageWidth": 60}
        label_forms.write(tmp_path / f"{number}.json", {**sides, "shapes": shapes})
    data = own_dataset(read_labels(tmp_path), PictureFolder(tmp_path), tmp_path)
    assert data.notes[0] == "keypoint 'noes' occurs once on 4 objects; did you mean 'nose'?"


# --- strange but legal shapes ----------------------------------------------------------------------------


def propose(tmp_path, change=lambda content: None, **settings):
    path = label_forms.coco(tmp_path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return own_dataset(read_labels(path), PictureFolder(tmp_path / "images"), path, **settings)


def loaded(data, tmp_path, part="annotations"):
    """What load_coco makes of it."""
    path = label_forms.write(tmp_path / f"{part}.json", data.contents[part])
    return load_coco(str(path), str(tmp_path / "images"), data.skeleton)


def test_a_plain_file_passes_through(tmp_path):
    data = propose(tmp_path)
    table = loaded(data, tmp_path)
    assert data.skeleton.name == "fox4"
    for row, fox in enumerate(FOXES):
        assert_allclose(table.keypoints[row], np.array(fox[2])[:, :2], atol=1e-6)
        assert table.visible[row].tolist() == points_of(fox)[:, 2].tolist()
    assert [a["bbox"] for a in data.contents["annotations"]["annotations"]] == [list(f[1]) for f in FOXES]
    assert len(loaded(data, tmp_path, "train")) + len(loaded(data, tmp_path, "val")) == 3
    assert data.facts["boxes"] == "the file's"


def _texts_for_ids(content):
    for image in content["images"]:
        image["id"] = f"image-{image['id']}"
    for record in content["annotations"]:
        record.update(id=f"r{record['id']}", image_id=f"image-{record['image_id']}", category_id="7")
    content["categories"][0]["id"] = "7"


def _sparse(content):
    for record in content["annotations"]:
        for key in ("bbox", "area"):
            del record[key]
    for image in content["images"]:
        del image["height"]


def _windows(content):
    for image in content["images"]:
        image["file_name"] = f"C:\\me\\images\\{image['file_name']}"


@pytest.mark.parametrize("change", [_texts_for_ids, _sparse, _windows])
def test_strange_shapes_are_read(change, tmp_path):
    table = loaded(propose(tmp_path, change), tmp_path)
    assert len(table) == 3
    assert_allclose(table.keypoints[0], np.array(FOXES[0][2])[:, :2], atol=1e-6)
    assert [table.image_name(k) for k in range(2)] == ["a.png", "b.png"]


def test_missing_boxes_are_drawn_around_the_points(tmp_path):
    data = propose(tmp_path, _sparse)
    assert data.facts["boxes"] == "drawn around the points for 3 objects, which had none"
    x, y, w, h = data.contents["annotations"]["annotations"][0]["bbox"]
    assert_allclose((x, y, x + w, y + h), (0, 0.1, 20.125 + 3.9, 30 + 3.9))  # 15 % of 26; cut at the left
    assert box_around(np.array([[3.0, 3.0]]), (9, 9)) is None


def test_names_that_are_odd_are_told(tmp_path):
    def change(content):
        content["categories"][0]["keypoints"] = ["nose tip", "ear", "ear", "tail"]

    data = propose(tmp_path, change)
    assert data.skeleton.keypoints == ("nose_tip", "ear", "ear_2", "tail")
    assert data.notes == ["keypoint 0 'nose tip' is called 'nose_tip'", "keypoint 2 'ear' is called 'ear_2'"]
    assert loaded(data, tmp_path).skeleton.keypoints == data.skeleton.keypoints


def test_a_picture_that_is_listed_twice_is_in_one_part_only(tmp_path):
    def change(content):
        content["images"].append({**content["images"][0], "id": 9})
        content["annotations"].append({**content["annotations"][0], "id": 9, "image_id": 9})
        content["annotations"][-1]["keypoints"] = [v + 0.25 if k % 3 < 2 else v for k, v in enumerate(
            content["annotations"][-1]["keypoints"])]  # fmt: skip

    data = propose(tmp_path, change)
    assert len(data.contents["annotations"]["images"]) == 2
    assert "1 repeated labels were merged" in data.facts["objects"]
    first = data.contents["annotations"]["annotations"][0]["keypoints"]
    assert first[:3] == [5.375, 6.625, 2]


def test_who_has_no_label_and_pictures_of_nobody_are_left_out(tmp_path):
    def change(content):
        content["annotations"][2]["keypoints"] = [0] * 12

    data = propose(tmp_path, change)
    assert [image["file_name"] for image in data.contents["annotations"]["images"]] == ["a.png"]
    assert "left out: 1 without a labelled point" in data.facts["objects"]
    assert data.contents["train"] == data.contents["val"]
    assert "the only picture is both" in data.facts["split"]


def test_one_of_several_categories_is_chosen(tmp_path):
    def change(content):
        content["categories"].append({"id": 8, "name": "hen", "keypoints": ["beak"]})
        content["annotations"].append(
            {"id": 9, "image_id": 1, "category_id": 8, "bbox": [1, 1, 9, 9], "keypoints": [3, 3, 2]}
        )

    with pytest.raises(ConfigError, match=r"found fox \(3\), hen \(1\); choose by --category"):
        propose(tmp_path, change)
    assert propose(tmp_path, change, category="hen").skeleton.keypoints == ("beak",)
    with pytest.raises(
        ConfigError, match=r"--category: expected one of .*: fox \(3\), hen \(1\); found 'cow'"
    ):
        propose(tmp_path, change, category="cow")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda c: c["images"][0].update(file_name="gone.png"),
            r"found 1 of them not there: 'gone\.png'; state",
        ),
        (
            lambda c: c["images"][0].update(width=61),
            r"foxes\.json: picture .*a\.png: expected 61 x 40 pixels as stated, found 60 x 40$",
        ),
        (
            lambda c: c["images"][0].update(width=40, height=60),
            r"found 60 x 40; width and height are exchanged: state its own",
        ),
        (lambda c: c["annotations"].clear(), r"objects of category 'fox' with labelled points, found none"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(change, words, tmp_path):
    with pytest.raises(DataError, match=words):
        propose(tmp_path, change)
