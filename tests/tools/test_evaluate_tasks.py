"""tools/evaluate.py on faces with attributes: accuracies, and the NME of some runs against others'."""

from __future__ import annotations

import json

import numpy as np
import pytest
from toy_training import run

HEADER = "image,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4,gender,pose"
ROWS = ["a.png,10,10,30,10,20,20,12,30,28,30,1,3", "b.png,10,10,30,10,20,20,12,30,28,30,2,",
        "c.png,10,10,30,10,20,20,12,30,28,30,1,5"]  # fmt: skip
POINTS = np.array([[10, 10], [30, 10], [20, 20], [12, 30], [28, 30]], float)


@pytest.fixture
def gt(tmp_path):
    path = tmp_path / "faces.csv"
    path.write_text("\n".join([HEADER, *ROWS]))
    return path


def results(path, shifts, labels=((1, 3), (1, 1), (1, 4)), people=(1, 2, 3), **changes):
    """Predictions off by so many pixels to the right."""
    records = [
        {
            "image_id": person, "category_id": 1, "score": 1.0, "annotation_id": person,
            "keypoints": np.column_stack([POINTS + np.array((shift, 0)), np.ones(5)]).ravel().tolist(),
            "extra": {"gender": labels[person - 1][0], "pose": labels[person - 1][1]}, **changes,
        }
        for person, shift in zip(people, shifts, strict=False)
    ]  # fmt: skip
    path.write_text(json.dumps(records))
    return path


def evaluated(tmp_path, *words):
    out = tmp_path / "scores.json"
    assert run("evaluate", *words, "--out", out) == 0
    return json.loads(out.read_text())


def test_accuracies_and_confusions(gt, tmp_path, capsys):
    found = results(tmp_path / "r.json", (0, 0, 0))
    words = ("attributes", "--gt", gt, "--results", found, "--attributes", "gender", "pose")
    scores = evaluated(tmp_path, *words)
    assert scores["accuracy/gender"] == pytest.approx(200 / 3)
    assert scores["accuracy/pose"] == 50  # of the two that are known
    assert (scores["confusion/gender/2/1"], scores["confusion/pose/5/4"]) == (1, 1)
    assert "of 3 people" in capsys.readouterr().out
    coco = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"id": 1, "image_id": 1, "gender": 1}, {"id": 2, "image_id": 1}],
    }
    (tmp_path / "gt.json").write_text(json.dumps(coco))
    part = results(tmp_path / "p.json", (0,), people=(1,))
    words = ("attributes", "--gt", tmp_path / "gt.json", "--results", part, "--attributes", "gender")
    assert evaluated(tmp_path, *words)["accuracy/gender"] == 100


def test_a_part_is_scored_by_its_images(gt, tmp_path, capsys):
    part = results(tmp_path / "r.json", (0, 0), people=(1, 2))
    words = ("attributes", "--gt", gt, "--results", part, "--attributes", "gender")
    assert run("evaluate", *words) == 2
    assert "1 people of" in (message := capsys.readouterr().err)
    assert "no result, the first has id 3; of a part of the data set: --images" in message
    (tmp_path / "ids.json").write_text("[1, 2]")
    assert evaluated(tmp_path, *words, "--images", tmp_path / "ids.json")["accuracy/gender"] == 50


@pytest.mark.parametrize(
    ("words", "changes", "message"),
    [
        (["hat"], {}, "has no column 'hat'; expected some of ['gender', 'pose']"),
        (["gender"], {"extra": {}}, "record 0: expected a prediction of 'gender' in its 'extra'"),
        (["gender"], {"extra": {"gender": 0.5}}, "'gender'"),
        (["gender"], {"annotation_id": 9}, "9"),
        (
            ["gender"],
            {"image_id": 2},
            "results[0], field 'image_id': annotation 1 of {gt} is on image 1, found 2",
        ),
    ],
)
def test_faults_of_attributes_are_told(gt, tmp_path, capsys, words, changes, message):
    found = results(tmp_path / "r.json", (0,), people=(1,), **changes)
    assert run("evaluate", "attributes", "--gt", gt, "--results", found, "--attributes", *words) == 2
    assert message.replace("{gt}", str(gt)) in capsys.readouterr().err
    if "image_id" in changes:
        assert run("evaluate", "nme", "--gt", gt, "--results", found) == 2
        assert message.replace("{gt}", str(gt)) in capsys.readouterr().err


def test_people_of_images_that_are_not_there_are_told(gt, tmp_path, capsys):
    found = results(tmp_path / "r.json", (0, 0, 0))
    (tmp_path / "ids.json").write_text("[1, 777]")
    words = ("attributes", "--gt", gt, "--results", found, "--attributes", "gender")
    assert run("evaluate", *words, "--images", tmp_path / "ids.json") == 2
    assert f"{gt}: there are no images with the ids [777]" in capsys.readouterr().err
    twice = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"id": 1, "image_id": 1, "gender": 1}] * 2,
    }
    (tmp_path / "gt.json").write_text(json.dumps(twice))
    assert run("evaluate", *words[:2], tmp_path / "gt.json", *words[3:]) == 2
    assert "have the same 'id'" in capsys.readouterr().err
    coco = {
        "images": [{"id": number, "file_name": f"{number}.png"} for number in (1, 2, 3)],
        "annotations": [{"id": number, "image_id": number, "gender": 1} for number in (1, 2)],
    }
    (tmp_path / "gt.json").write_text(json.dumps(coco))
    (tmp_path / "ids.json").write_text("[1, 2, 3]")  # nobody is on the third
    words = ("attributes", "--gt", tmp_path / "gt.json", "--results", results(tmp_path / "p.json", (0, 0)))
    words += ("--attributes", "gender", "--images", tmp_path / "ids.json")
    assert evaluated(tmp_path, *words)["accuracy/gender"] == 100


def test_the_nme_of_runs_against_others(gt, tmp_path, capsys):
    names = {"a": (0, 1, 1), "a2": (0, 1, 3), "b": (2, 2, 2), "b2": (2, 3, 2)}
    files = {name: results(tmp_path / f"{name}.json", shifts) for name, shifts in names.items()}
    nme = ("nme", "--gt", gt, "--norm", "inter_pupil")
    scores = evaluated(tmp_path, *nme, "--results", files["a"], "--against", files["b"])
    # Pixels of an eye distance of 20: means 2/3 and 2.
    assert scores["NME/inter_pupil/results"] == pytest.approx(100 / 30)
    assert scores["NME/inter_pupil/difference"] == pytest.approx(100 * (2 / 3 - 2) / 20)
    assert scores["NME/inter_pupil/people_low"] == pytest.approx(-10)
    assert scores["NME/inter_pupil/people_high"] == pytest.approx(-5)
    assert "NME/inter_pupil/seeds_low" not in scores
    assert "--results less --against" in capsys.readouterr().out
    both = evaluated(
        tmp_path, *nme, "--results", files["a"], files["a2"], "--against", files["b"], files["b2"]
    )
    assert both["NME/inter_pupil/seeds_low"] < both["NME/inter_pupil/difference"]
    assert run("evaluate", *nme, "--results", files["a"], files["b"]) == 2
    assert "name the others by --against" in capsys.readouterr().err
    assert run("evaluate", *nme, "--results", files["a"], "--against", files["b"], "--out", files["b"]) == 2
    assert "the file of --against, would be overwritten" in capsys.readouterr().err
