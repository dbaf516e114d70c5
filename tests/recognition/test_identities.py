"""Files of identities, pairs and embeddings: what is read, and what is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from toy_identities import write_identities, write_pairs

from posekit.datasets.topdown import TopDownDataset
from posekit.errors import ConfigError, DataError
from posekit.recognition.alignment import Align, align
from posekit.recognition.files import read_embeddings, read_pairs, read_table, write_embeddings
from posekit.recognition.identities import load_identities
from posekit.transforms import Crop


def load(folder, **settings):
    return load_identities("labels.csv", "images", str(folder), **settings)


def test_a_table_of_identities(tmp_path):
    table = load(write_identities(tmp_path / "a"))
    assert len(table) == 48
    assert table.extra["identity"].tolist() == [number % 8 for number in range(48)]
    assert table.reading["identities"] == 8
    assert table.keypoints.shape == (48, 5, 2)
    assert (table.visible == 2).all()
    centres = (table.boxes_xyxy[:, :2] + table.boxes_xyxy[:, 2:]) / 2
    assert (np.abs(centres - table.keypoints.mean(axis=1)) < 8).all()
    plain = load(tmp_path / "a", skeleton="none")
    assert plain.boxes_xyxy.tolist() == [[0, 0, 48, 48]] * 48


def test_parts_share_no_identity_and_number_their_own(tmp_path):
    folder = write_identities(tmp_path / "a")
    whole = load(folder)
    parts = {part: load(folder, part=part, num_test=2, num_val=3) for part in ("train", "val", "test")}
    assert {part: table.reading["identities"] for part, table in parts.items()} == {
        "train": 3, "val": 3, "test": 2,
    }  # fmt: skip
    rows = np.concatenate([table.person_ids for table in parts.values()])
    assert sorted(rows) == list(range(48))
    for table in parts.values():
        assert set(table.extra["identity"]) == set(range(table.reading["identities"]))
        assert [table.image_name(i) for i in table.image_index] == [
            whole.image_name(row) for row in table.person_ids
        ]
    known = [set(whole.extra["identity"][table.person_ids]) for table in parts.values()]
    assert sum(map(len, known)) == 8


def test_parts_stay_what_they_are(tmp_path):
    """They are those of sha1(name), in every run and on every machine."""
    folder = write_identities(tmp_path / "a")
    table = load(folder, part="test", num_test=2)
    assert sorted({int(row) % 8 for row in table.person_ids}) == [0, 6]


def test_a_data_set_cuts_aligned_faces(tmp_path):
    folder = write_identities(tmp_path / "a", identities=2, each=2)
    crop = Crop((56, 56), convention="udp")
    dataset = TopDownDataset(load(folder), crop=crop, augment=Align())
    sample = dataset[3]
    assert sample.extra["identity"] == 1
    from posekit.io.images import read_image

    picture = read_image(folder / "images" / "3.png")
    wanted = align(picture, dataset.table.keypoints[3], (56, 56))
    assert np.abs(sample.image.transpose(1, 2, 0).astype(int) - wanted).max() <= 4
    with pytest.raises(ConfigError, match="expected the keypoints"):
        TopDownDataset(load(folder, skeleton="none"), crop=crop, augment=Align())


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda t: t.replace("identity", "person"), DataError, r"each of .*'identity'.* once, found"),
        (lambda t: t.replace("1.png", "0.png"), DataError, "every picture once, found '0.png' again"),
        (lambda t: t.replace("id1,", "id1,x", 1), DataError, "row 2, field 'x0': expected a finite number"),
        (lambda t: t.replace("id1,", "id1,7,", 1), DataError, "row 2: expected 12 values, found 13"),
        (lambda t: "", DataError, r"found \[\]"),
        (
            lambda t: t.replace("id1,", ",", 1),
            DataError,
            "row 2, field 'identity': expected a name, found none",
        ),
        (lambda t: t.replace("3.png", "../3.png"), DataError, r"\.\./3\.png"),
    ],
)
def test_faulty_labels_are_named(tmp_path, change, kind, words):
    folder = write_identities(tmp_path / "a", identities=2, each=2)
    path = folder / "labels.csv"
    path.write_text(change(path.read_text()))
    with pytest.raises(kind, match=words):
        load(folder, part="train", num_test=1)


def test_whole_numbers_of_numpy_are_whole(tmp_path):
    folder = write_identities(tmp_path / "a", identities=3, each=2)
    assert len(load(folder, part="val", num_val=np.int64(1))) == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"part": "tran"}, "'part' must be one of"),
        ({"part": "val"}, "has no identity; state num_val"),
        ({"part": "val", "num_val": 1.5}, "'num_val' must be a whole number of at least 0, found 1.5"),
        ({"part": "val", "num_val": "1"}, "'num_val' must be a whole number of at least 0, found '1'"),
        ({"part": "val", "num_val": True}, "'num_val' must be a whole number of at least 0, found True"),
        ({"part": "val", "num_test": -1}, "'num_test' must be a whole number of at least 0, found -1"),
        ({"part": "train", "num_test": 3}, r"num_test \+ num_val = 3 \+ 0 does not fit the 2"),
        ({"skeleton": "coco17"}, "five points or 'none', found 'coco17'"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, settings, words):
    folder = write_identities(tmp_path / "a", identities=2, each=2)
    with pytest.raises(ConfigError, match=words):
        load(folder, **settings)


def test_points_in_one_place_are_named(tmp_path):
    folder = write_identities(tmp_path / "a", identities=2, each=2)
    path = folder / "labels.csv"
    lines = path.read_text().splitlines()
    lines[3] = "2.png,id0" + ",5,6" * 5
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"2\.png: expected five points apart"):
        load(folder)


# --- pairs and embeddings ---------------------------------------------------------------------------------


def test_pairs(tmp_path):
    pairs = read_pairs(write_pairs(write_identities(tmp_path / "a")))
    assert len(pairs.first) == len(pairs.second) == 48
    assert pairs.same.sum() == 24
    assert sorted(set(pairs.folds)) == [1, 2, 3]
    names = [f"{number}.png" for number in reversed(range(48))]
    rows = pairs.rows(names, "embeddings.npz")
    assert [names[row] for row in rows[:, 0]] == pairs.first
    with pytest.raises(DataError, match=r"embeddings.npz: expected all images of .*'0.png'"):
        pairs.rows(names[:-1], "embeddings.npz")
    with pytest.raises(DataError, match="1 images come more than once"):
        pairs.rows([*names, "0.png"], "embeddings.npz")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image_a,image_b\n", "'same'"),
        ("image_a,image_b,same\n", "at least one pair"),
        ("image_a,image_b,same\na,b,yes\n", "row 1, field 'same': expected 0 or 1, found 'yes'"),
        ("image_a,image_b,same,fold\na,b,1,1.5\n", "row 1, field 'fold': expected a whole number, found 1.5"),
        ('image_a,image_b,same\n"a,b,1\n', "expected a csv file"),
    ],
)
def test_faulty_pairs_are_named(tmp_path, text, words):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_pairs(path)


def test_a_byte_order_mark_and_blank_lines_are_no_fault(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_bytes("\ufeffimage_a, image_b ,same\r\n\r\na,b,1\r\n".encode())
    assert read_table(path, ["image_b"])["image_b"] == ["b"]
    assert read_pairs(path).folds is None


def test_embeddings_come_back(tmp_path):
    path = tmp_path / "e.npz"
    embeddings = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    write_embeddings(path, ["a.jpg", "ü.jpg", "c.jpg"], embeddings)
    names, found = read_embeddings(path)
    assert names == ["a.jpg", "ü.jpg", "c.jpg"]
    assert (found == embeddings).all()
    with pytest.raises(ConfigError, match=r"expected an \.npz"):
        write_embeddings(tmp_path / "e.npy", ["a"], embeddings[:1])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"image": np.array(["a"])}, r"found no \['embedding'\]"),
        ({"image": np.array(["a"]), "embedding": np.zeros((2, 3))}, r"numbers \(1, D\)"),
        ({"image": np.arange(2), "embedding": np.zeros((2, 3))}, "expected names"),
        (
            {"image": np.array([b"a.png", b"\xe9.png"]), "embedding": np.ones((2, 3))},
            r"e\.npz: field 'image': expected names in UTF-8, found b'\\xe9\.png'",
        ),
        ({"image": np.array(["a"]), "embedding": np.full((1, 3), np.nan)}, "not finite, the first that of a"),
    ],
)
def test_faulty_embeddings_are_named(tmp_path, arrays, words):
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(DataError, match=words):
        read_embeddings(tmp_path / "e.npz")


# --- real files -------------------------------------------------------------------------------------------


def test_the_real_identities():
    root = reference.path("data/celeba_id/labels.csv").parent
    table = load(root)
    assert (len(table), table.reading["identities"]) == (5128, 250)
    counts = np.bincount(table.extra["identity"])
    assert (counts.min(), np.median(counts), counts.max()) == (2, 22, 30)
    TopDownDataset(table, crop=Crop((112, 96), convention="udp"), augment=Align())  # every picture is there


def test_the_real_pairs():
    path = reference.path("data/lfw/pairs.csv")
    pairs = read_pairs(path)
    table = load_identities("points.csv", "images", str(path.parent))
    assert (len(table), len(pairs.first), pairs.same.sum()) == (3811, 3000, 1500)
    rows = pairs.rows([table.image_name(image) for image in table.image_index], "points.csv")
    assert rows.shape == (3000, 2)
    assert "identity" not in table.extra
