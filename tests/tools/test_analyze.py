"""tools/analyze.py: what it writes, what it takes, and what it says of faulty input."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections import defaultdict
from html.parser import HTMLParser

import numpy as np
import pytest
import toy_people
from analysis.planted import perfect_results, plant, synthetic_people
from evaluate_cases import run as evaluate
from toy_pose_config import write_config
from toy_training import run

from posekit.analysis import pictures, report
from posekit.metrics.keypoint_kinds import ERRORS
from posekit.skeletons import MPII16

MPII = ["--skeleton", "mpii16"]


def write(path, value):
    path.write_text(json.dumps(value), "utf-8")
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Synthetic people with their pictures, planted errors in one file, none in the other."""
    folder = tmp_path_factory.mktemp("analyze")
    content = synthetic_people(14)
    content["categories"][0]["name"] = HOSTILE
    results = perfect_results(content)
    write(folder / "gt.json", content)
    write(folder / "right.json", results)
    plant(content, results, ERRORS)
    results[1]["keypoints"][0:2] = [-3000, -4000]
    results.append({**results[0], "keypoints": [v + 60 for v in results[0]["keypoints"]], "score": 0.01})
    del results[4]
    write(folder / "wrong.json", results)
    for image in content["images"]:
        picture = toy_people.picture(image["height"], image["width"], image["id"])
        toy_people.write_picture(folder / "photos" / image["file_name"], picture)
    return folder


@pytest.fixture
def undrawn(monkeypatch):
    """For tests of the numbers alone: figures take seconds."""
    monkeypatch.setattr(report, "_svgs", lambda analysed: defaultdict(str))


HOSTILE = '</td><script>alert(1)</script> & "quoted"'


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_two_files_with_photos(home, capsys, tmp_path):
    words = ["wrong.json", "gt.json", "right.json", "--names", HOSTILE, "right"]
    options = ["--photos", "photos", "--out", tmp_path, "--resamples", 50]
    assert run("analyze", *words, *options, *MPII, cwd=home) == 0
    said = capsys.readouterr().out
    assert "is worse than right on these images" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["analysis.json", "report.html"]
    found = json.loads((tmp_path / "analysis.json").read_text("utf-8"))
    assert [one["name"] for one in found["results"]] == [HOSTILE, "right"]
    text = (tmp_path / "report.html").read_text("utf-8")
    page = Page(text)
    assert not page.open
    assert "script" not in page.tags
    assert all(source.startswith("data:image/") for source in page.sources)
    figures = [source for source in page.sources if source.startswith("data:image/svg")]
    assert len(figures) == 1 + 2 * 2 + 2
    drawn = [source for source in page.sources if source.startswith("data:image/jpeg")]
    kinds = found["results"][0]["worst"]
    expected = sum(min(6, len(own)) for one in found["results"] for own in one["worst"].values())
    assert len(drawn) == expected + 1 + 1  # the missed person and the pose of nobody
    assert {kind for kind, own in kinds.items() if own} == {"oks", *ERRORS}
    for heading in ("Missed people", "Poses of nobody", "One against the other", "Whom it is hard with"):
        assert heading in text
    # The numbers of the page are those of the file.
    ap = found["results"][0]["scores"]["AP"]
    assert f"AP {ap:.3f}: " in text
    rows = re.findall(r"<tr><td>.*?</td>\s*<td>(.*?)</td>", text)
    assert f"{ap:.3f}" in rows
    evaluated = tmp_path / "scores.json"
    gt, results = home / "gt.json", home / "wrong.json"
    words = ["--gt", gt, "--results", results, "--sigmas", "mpii16", "--out", evaluated]
    assert evaluate("coco", *words) == 0
    scores = json.loads(evaluated.read_text())
    assert {name: found["results"][0]["scores"][name] for name in scores} == scores


def test_one_file_without_photos_and_the_same_bytes_twice(home, tmp_path):
    written = []
    for _ in range(2):
        assert run("analyze", "wrong.json", "gt.json", *MPII, "--out", tmp_path, cwd=home) == 0
        written.append([(tmp_path / name).read_bytes() for name in ("analysis.json", "report.html")])
    assert written[0] == written[1]
    assert b"data:image/jpeg" not in written[0][1]
    assert json.loads(written[0][0])["comparison"] is None


def test_pck_is_that_of_evaluate(undrawn, home, tmp_path):
    assert run("analyze", "wrong.json", "gt.json", *MPII, "--out", tmp_path, cwd=home) == 0
    curve = json.loads((tmp_path / "analysis.json").read_text())["results"][0]["curves"]["PCK/bbox"]
    words = ["--gt", home / "gt.json", "--results", home / "wrong.json", "--norm", "bbox"]
    assert evaluate("pck", *words, "--threshold", 0.2, "--out", tmp_path / "pck.json") == 0
    expected = json.loads((tmp_path / "pck.json").read_text())["PCK@0.2/mean"]
    assert dict(zip(np.round(curve["x"], 2), curve["percent"], strict=True))[0.2] == pytest.approx(expected)


def own_files(folder, **category):
    """Three keypoints of somebody's own, by names of sides; the second person's hands exchanged."""
    names = ["tip", "left_hand", "right_hand"]
    points = [[50, 20, 2, 20, 60, 2, 80, 60, 2], [150, 20, 2, 120, 60, 2, 180, 60, 2]]
    people = [
        {"id": n, "image_id": n, "category_id": 4, "area": 4000, "bbox": [0, 0, 200, 80], "keypoints": p}
        for n, p in enumerate(points, 1)
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "categories": [{"id": 4, "name": "thing", "keypoints": names, **category}],
        "annotations": people,
    }
    poses = [
        {"image_id": n, "category_id": 4, "score": 0.5, "keypoints": list(p)} for n, p in enumerate(points, 1)
    ]
    poses[1]["keypoints"] = [*points[1][:3], *points[1][6:], *points[1][3:6]]
    return write(folder / "gt.json", content), write(folder / "r.json", poses)


@pytest.mark.parametrize("how", ["sigmas", "file", "config"])
def test_own_keypoints(undrawn, tmp_path, how):
    gt, results = own_files(
        tmp_path, **({"sigmas": [0.05] * 3, "skeleton": [[1, 2]]} if how == "file" else {})
    )
    words = {"sigmas": ["--sigmas", 0.05], "file": [], "config": ["--config", "people.py"]}[how]
    if how == "config":
        write_config(tmp_path)
        content = json.loads(gt.read_text())
        content["categories"][0]["keypoints"][0] = "head"
        write(gt, content)
    assert run("analyze", results.name, gt.name, *words, "--out", "out", cwd=tmp_path) == 0
    found = json.loads((tmp_path / "out" / "analysis.json").read_text())
    assert found["method"]["flip_pairs"] == [["left_hand", "right_hand"]]
    assert found["method"]["sigmas"] == [0.1 if how == "config" else 0.05] * 3
    overall = found["results"][0]["keypoints"]["overall"]
    assert (overall["good_count"], overall["inversion_count"]) == (4, 2)


def of_person(change):
    def changed(content, results):
        change(results[0])

    return changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda c, r: r.clear(),
            "expected results of the 14 images that are scored, found none. The list is",
        ),
        (
            of_person(lambda p: p.update(image_id=999)),
            "'image_id' is 999, which is not among the 14 images of gt.json",
        ),
        (of_person(lambda p: p.update(category_id=7)), "category_id"),
        (of_person(lambda p: p.update(keypoints=p["keypoints"][:-3])), "'keypoints'"),
        (of_person(lambda p: p.pop("score")), "'score'"),
        (of_person(lambda p: p.update(score=float("nan"))), "score"),
        (of_person(lambda p: p["keypoints"].__setitem__(4, float("inf"))), "keypoints"),
        (lambda c, r: c["annotations"][0].pop("keypoints"), "'keypoints'"),
        (lambda c, r: c["annotations"][0].pop("area"), "area"),
        (lambda c, r: c["categories"][0].pop("keypoints"), "none states 'keypoints'"),
        (lambda c, r: c.update(annotations=[]), "nobody has a labelled keypoint"),
        (lambda c, r: [a.update(iscrowd=1) for a in c["annotations"]], "found crowd regions alone"),
    ],
)
def test_faulty_files(home, tmp_path, capsys, change, said):
    content = json.loads((home / "gt.json").read_text())
    results = json.loads((home / "right.json").read_text())
    change(content, results)
    write(tmp_path / "gt.json", content)
    write(tmp_path / "r.json", results)
    assert run("analyze", "r.json", "gt.json", *MPII, "--out", "out", cwd=tmp_path) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--names", "one", "two"], "--names: expected 1 different names"),
        (["right.json"], "the same is named twice"),
        (["--max-per-image", "0"], "--max-per-image: expected at least 1, found 0"),
        (["--resamples", "1"], "--resamples: expected at least 2, found 1"),
        (["--photos", "nowhere"], "--photos: expected the folder of the photos, found no folder nowhere"),
        (["--photos", "."], "there is no such photo"),
        (["--pairing", "id"], "expected an 'annotation_id' in each (--pairing id), found none"),
        (["--skeleton", "coco17"], "skeleton 'coco17': expected the keypoints of gt.json"),
        (["--skeleton", "nonsense"], "unknown name 'nonsense'"),
        (["--config", "nowhere.py"], "nowhere.py"),
        (
            ["--sigmas", "0.1", "0.2"],
            "sigmas: expected 16, one per keypoint of gt.json; found 2; or one number",
        ),
        (["--category", "dog"], "no category 'dog'"),
        (["--skeleton", "mpii16", "--config", "x.py"], "--skeleton and --config: expected one of them"),
    ],
)
def test_faulty_settings(undrawn, home, capsys, words, said):
    assert run("analyze", "right.json", "gt.json", *words, "--out", "out", cwd=home) == 2
    assert said in capsys.readouterr().err


def test_unknown_results_are_left_out_if_asked(undrawn, home, tmp_path, capsys):
    results = json.loads((home / "right.json").read_text())
    more = [*results, {**results[0], "image_id": 12345}]
    write(tmp_path / "r.json", more)
    words = [tmp_path / "r.json", "gt.json", "--on-bad-record", "skip", "--out", tmp_path / "out"]
    assert run("analyze", *words, cwd=home) == 0
    assert "1 are of images that gt.json does not have, and are left out" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "analysis.json").read_text())
    assert found["results"][0]["people"]["poses"] == len(results)
    assert found["notes"]


def test_photos_that_leave_their_folder_are_not_read(undrawn, home, tmp_path, capsys):
    content = json.loads((home / "gt.json").read_text())
    for image in content["images"]:
        image["file_name"] = "../photos/" + image["file_name"]
    write(tmp_path / "gt.json", content)
    (tmp_path / "photos").mkdir()
    words = [home / "wrong.json", "gt.json", *MPII, "--photos", "photos", "--out", "out"]
    assert run("analyze", *words, cwd=tmp_path) == 2
    assert "expected a name inside the image folder" in capsys.readouterr().err


def test_a_missing_photo_is_told_and_the_rest_is_drawn(undrawn, home, tmp_path, capsys):
    shutil.copytree(home / "photos", tmp_path / "photos")
    gone = json.loads((home / "gt.json").read_text())["images"][0]["file_name"]
    (tmp_path / "photos" / gone).unlink()
    words = [home / "wrong.json", home / "gt.json", *MPII, "--photos", "photos", "--out", "out"]
    assert run("analyze", *words, cwd=tmp_path) == 0
    assert f"note: not drawn: photos/{gone}: there is no such photo" in capsys.readouterr().out
    assert gone in json.loads((tmp_path / "out" / "analysis.json").read_text("utf-8"))["notes"][-1]
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert f"not drawn: photos/{gone}" in page
    assert "data:image/jpeg" in page
    shutil.rmtree(tmp_path / "photos")
    (tmp_path / "photos").mkdir()
    assert run("analyze", *words[:-1], "none", cwd=tmp_path) == 2  # a wrong folder: the numbers are there
    assert "is --photos its folder?" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "none").iterdir()] == ["analysis.json"]


@pytest.mark.parametrize("xy", [(120, 120), (1e6, 1e6), (-1e6, 5)])
def test_a_pose_of_nobody_at_one_place_is_drawn(undrawn, home, tmp_path, xy):
    results = json.loads((home / "right.json").read_text())
    points = len(results[0]["keypoints"]) // 3
    results.append({**results[0], "keypoints": [*xy, 1] * points, "score": 0.01})
    write(tmp_path / "r.json", results)
    words = [tmp_path / "r.json", "gt.json", *MPII, "--photos", "photos", "--out", tmp_path / "o"]
    assert run("analyze", *words, cwd=home) == 0
    assert "Poses of nobody" in (tmp_path / "o" / "report.html").read_text("utf-8")


def test_a_point_far_off_does_not_shrink_the_photo(monkeypatch, undrawn, home, tmp_path):
    boxes = []
    drawn = pictures.crop_photo
    monkeypatch.setattr(pictures, "crop_photo", lambda *words: boxes.append(words[1]) or drawn(*words))
    results = json.loads((home / "right.json").read_text())
    stray = {**results[0], "keypoints": [1e6, -1e6, *results[0]["keypoints"][2:]], "score": 0.01}
    write(tmp_path / "r.json", [*results, stray])
    words = [tmp_path / "r.json", "gt.json", *MPII, "--photos", "photos", "--out", tmp_path / "o"]
    assert run("analyze", *words, cwd=home) == 0
    image = json.loads((home / "gt.json").read_text())["images"][0]
    assert (boxes[-1] <= np.tile([image["width"], image["height"]], 2)).all()
    assert (boxes[-1] >= 0).all()


def test_the_results_are_not_changed_by_their_order(undrawn, home, tmp_path):
    results = json.loads((home / "wrong.json").read_text())
    scores = np.linspace(0.9, 0.1, len(results))  # of equal scores the order decides
    results = [{**r, "score": float(s)} for r, s in zip(results, scores, strict=True)]
    found = []
    for name, some in (("a", results), ("b", copy.deepcopy(results[::-1]))):
        write(tmp_path / f"{name}.json", some)
        words = [tmp_path / f"{name}.json", "gt.json", *MPII, "--out", tmp_path / name, "--names", "x"]
        assert run("analyze", *words, cwd=home) == 0
        one = json.loads((tmp_path / name / "analysis.json").read_text())["results"][0]
        found.append({key: value for key, value in one.items() if key not in ("file", "notes")})
    assert found[0] == found[1]


def test_sixteen_joints_are_told_by_their_names(undrawn, home, tmp_path):
    assert run("analyze", "right.json", "gt.json", "--out", tmp_path, cwd=home) == 0
    method = json.loads((tmp_path / "analysis.json").read_text())["method"]
    assert method["skeleton"] == MPII16.name
    assert method["sigmas"] == list(MPII16.sigmas)
