"""The documentation's code runs as it is printed, and gives what it says."""

from __future__ import annotations

import re

import cv2
import numpy as np
import reference
import torch

WALK = reference.ROOT / "posekit" / "docs" / "walk.md"
PAGE = reference.ROOT / "posekit" / "docs" / "releases.md"


def test_the_code_of_the_releases_page_runs():
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    names: dict = {}
    exec("\n".join(blocks), names)
    assert names["crop"].shape == (3, 256, 192)
    np.testing.assert_allclose(names["joints_image"], names["joints"])
    assert names["points"].tolist() == [[[96, 128]]]
    assert names["mirrored"].argmax() == names["target"].argmax() + 1
    assert names["loss"].item() == 0
    assert names["best"].shape == (5,)
    assert names["oks"][0] == 1
    assert names["table"]["PCKh@0.5/mean_weighted"] == 100
    assert names["heatmaps"].shape == (1, 16, 64, 64)


def test_the_code_of_the_faces_page_runs(tmp_path):
    """On two faces of MTFL's form that look to the left and ahead."""
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((60, 60, 3), np.uint8))
    header = ",".join(["image", *(f"{a}{k}" for k in range(5) for a in "xy"), "gender,smile,glasses,pose"])
    rows = ["a.png,20,20,40,20,25,32,22,42,38,42,1,1,1,2", "a.png,20,20,40,20,30,32,22,42,38,42,2,,1,3"]
    (tmp_path / "labels.csv").write_text("\n".join([header, *rows]))
    page = PAGE.with_name("faces.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    names: dict = {"root": str(tmp_path)}
    exec("\n".join(blocks), names)
    assert (names["pose"], names["mirrored"]) == (2, 4)
    assert names["copies"].tolist() == [1, 1]
    np.testing.assert_allclose(names["nme"], 1 / 20)
    assert names["resnet"].head.num_keypoints == 5
    assert names["upright"][0].keypoints[0, 1] == names["upright"][0].keypoints[1, 1]
    assert (names["turned_only"].box, names["athletes"].turn.degrees) == (False, 90)
    assert names["copy"].parent.name == "turned"
    assert names["extra"].keys() == {"smile", "smile_probabilities", "pose", "pose_probabilities"}


def test_the_code_of_the_analysis_page_runs(capsys):
    page = PAGE.with_name("analysis.md").read_text("utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out == "[['inversion', 'inversion'], ['good', 'good']]\n"


def test_the_code_of_the_families_page_runs():
    page = PAGE.with_name("families.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    names: dict = {}
    exec("\n".join(blocks), names)
    image = torch.zeros(1, 3, 64, 64)
    shapes = {name: network.eval().outputs(image) for name, network in names["networks"].items()}
    assert shapes["rle"].shape == (1, 3, 4)
    assert shapes["integral"]["cells"].shape == (1, 3, 2)
    assert shapes["simcc"]["x"].shape == (1, 3, 128)
    assert names["vitpose"].eval().outputs(torch.zeros(1, 3, 64, 48)).shape == (1, 3, 16, 12)
    assert names["deeppose"].eval().outputs(image).shape == (1, 3, 2)
    assert names["coarse"].eval().outputs(image).shape == (1, 3, 16, 16)
    assert names["refined"].eval().outputs(image)["points"].shape == (1, 3, 2)
    assert names["optim_wrapper"]["constructor"].__name__ == "LayerDecay"


def test_the_code_of_the_bottom_up_page_runs():
    page = PAGE.with_name("bottomup.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    names: dict = {}
    exec("\n".join(blocks), names)
    assert all(network.whole_pictures for network in names["networks"])
    assert names["maps"].heat.shape == (4, 20, 20)
    assert names["maps"].fields.shape == (2, 2, 20, 20)
    joints = names["joints"].numpy()
    for people in (names["people"], names["grouped"]):
        order = people.points[:, 0, 1].argsort()
        np.testing.assert_allclose(people.points[order], joints, atol=0.1)
    assert names["nobody"].points.shape == (0, 18, 2)
    np.testing.assert_allclose(
        sorted(pose.keypoints[0, 1] for pose in names["poses"]), [80.5, 220.5], atol=0.2
    )
    assert set(names["learning"]) == {"loss_heat", "loss_fields"}
    assert names["seen"].owner.unique().numel() <= 1
    assert names["losses"]["loss_pull"].item() == 0
    assert names["losses"]["loss_push"].item() == 0.5


def test_every_name_of_the_releases_page_is_imported_for_use():
    """No call on the page is a name that posekit does not have."""
    text = PAGE.read_text("utf-8")
    imported = set(re.findall(r"\w+", " ".join(re.findall(r"^from \S+ import (.*)$", text, re.MULTILINE))))
    body = re.sub(r"^from .*$", "", text, flags=re.MULTILINE)
    assert [name for name in imported if not re.search(rf"\b{name}\b", body)] == []


def test_the_walk_enters_the_files_of_its_page(tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(reference.ROOT / "tools"))
    from benchmarks.walk import PACKAGE, walk

    entered = walk(tmp_path)
    assert re.fullmatch(r"AP [01]\.\d{3}\n", capsys.readouterr().out)
    page = WALK.read_text("utf-8")
    rows = re.findall(r"^\| \[`(.+?)`\]\(\.\./(.+?)\) \| (\d+) \|", page, re.MULTILINE)
    assert [file for file, _, _ in rows] == [link for _, link, _ in rows] == list(entered)
    lines = {file: len((PACKAGE / file).read_text("utf-8").splitlines()) for file in entered}
    stale = {file: lines[file] for file, _, stated in rows if abs(lines[file] - int(stated)) > 25}
    assert stale == {}  # bring the page's lengths up to date
    most_files, most_lines = re.search(r"At most (\d+) files and ([\d,]+) lines", page).groups()
    assert len(entered) <= int(most_files) <= 28
    assert sum(lines.values()) <= int(most_lines.replace(",", "")) <= 6350
    readme = " ".join((reference.ROOT / "README.md").read_text("utf-8").split())
    assert f"through {most_files} files of at most {most_lines} lines" in readme
