"""Planted errors are recovered kind by kind, joint by joint; the AP without them is as worked out apart."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from analysis.planted import SIGMAS, perfect_results, plant, planted_at, radius, synthetic_people
from metrics.oks_cases import make_case, pycocotools_eval

from posekit.analysis.analyse import analyse
from posekit.analysis.reading import choose_skeleton, read_all, score
from posekit.metrics.error_impact import STEPS, optimal_scores
from posekit.metrics.ground_truth import choose_sigmas, read_coco
from posekit.metrics.keypoint_kinds import ERRORS, KINDS
from posekit.metrics.oks import GroundTruth
from posekit.skeletons import MPII16

MENDED = {"jitter": 0.85, "miss": 0.5}


def analysed(folder, content, results, pairing="auto", sigmas=SIGMAS, most=20):
    (folder / "gt.json").write_text(json.dumps(content))
    (folder / "r.json").write_text(json.dumps(results))
    people = read_coco(folder / "gt.json")
    read, _ = read_all([str(folder / "r.json")], people, pairing)
    sigmas = choose_sigmas(people, sigmas)
    skeleton = choose_skeleton(people, content)
    scored = score(str(folder / "r.json"), "r", read[0], people, sigmas, skeleton, most)
    return analyse(scored, people, sigmas, most)


@pytest.fixture(scope="module")
def content():
    return synthetic_people()


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("kinds", [*((kind,) for kind in ERRORS), ERRORS])
def test_planted_errors_are_recovered_exactly(tmp_path, content, kinds, ids):
    results = perfect_results(content, ids)
    planted = plant(content, results, kinds)
    assert all(planted[kind] >= 6 for kind in kinds)
    found = analysed(tmp_path, content, results)
    overall = found["keypoints"]["overall"]
    assert {kind: overall[f"{kind}_count"] for kind in ERRORS} == {kind: planted[kind] for kind in ERRORS}
    assert overall["labelled"] == sum(overall[f"{kind}_count"] for kind in KINDS)
    for joint in MPII16.keypoints:
        row = found["keypoints"]["joints"][joint]
        assert [row[f"{kind}_count"] for kind in ERRORS] == [planted[kind, joint] for kind in ERRORS], joint
    # Each way to divide people has everybody with a labelled keypoint once.
    for groups in found["groups"].values():
        assert sum(group["people"] for group in groups) == found["people"]["to_find"]
        found_ones = sum(group["people"] * (group["AR"] or 0) for group in groups)
        assert found_ones / found["people"]["to_find"] == pytest.approx(found["scores"]["AR"])
        for kind in ERRORS:
            assert sum(group[f"{kind}_count"] for group in groups) == planted[kind]
    for kind in kinds:
        assert all(person[kind] == 1 for person in found["worst"][kind])


def test_ap_without_the_planted_errors(tmp_path, content):
    """As pycocotools scores results whose planted joints were put right here, by the formula alone."""
    sound = perfect_results(content)
    faulty = copy.deepcopy(sound)
    plant(content, faulty, ERRORS)
    found = analysed(tmp_path, content, faulty)
    kinds = kinds_planted(content, sound, faulty)
    areas = [a["area"] for a in content["annotations"] if any(a["keypoints"][2::3]) and a["area"] > 0]

    def mended(steps) -> list[dict]:
        results = copy.deepcopy(faulty)
        for row, joint, kind in kinds:
            if kind not in steps:
                continue
            truth, now = (np.array(r[row]["keypoints"][3 * joint :][:2]) for r in (sound, faulty))
            reach = radius(areas[row], joint, MENDED[kind]) if kind in MENDED else 0.0
            place = truth + (now - truth) / np.linalg.norm(now - truth) * reach * (1 - 1e-9)
            results[row]["keypoints"][3 * joint : 3 * joint + 2] = place.tolist()
        return results

    base = pycocotools_eval(content, faulty, SIGMAS).stats[0]
    assert found["scores"]["AP"] == found["impact"]["AP"] == base < 0.99
    for kind in ERRORS:
        expected = pycocotools_eval(content, mended([kind]), SIGMAS).stats[0]
        assert found["impact"]["alone"][kind] == pytest.approx(expected, abs=1e-9)
        assert expected > base or kind == "jitter"  # one jitter of a person costs little
    steps = [row["step"] for row in found["impact"]["cumulative"]]
    assert steps == ["as_it_is", *STEPS]
    for number in range(1, 5):
        expected = pycocotools_eval(content, mended(steps[1 : number + 1]), SIGMAS).stats[0]
        assert found["impact"]["cumulative"][number]["AP"] == pytest.approx(expected, abs=1e-9)
    best = pycocotools_eval(content, sound, SIGMAS).stats[0]
    assert found["impact"]["exactly"]["keypoints"] == pytest.approx(best, abs=1e-9)
    assert found["impact"]["cumulative"][-1]["AP"] == pytest.approx(1)
    aps = [row["AP"] for row in found["impact"]["cumulative"]]
    assert [row["gain"] for row in found["impact"]["cumulative"][1:]] == pytest.approx(np.diff(aps).tolist())


def kinds_planted(content, sound, faulty) -> list[tuple[int, int, str]]:
    """Row, joint and kind of each planted error, by where it was put."""
    people = [a for a in content["annotations"] if any(a["keypoints"][2::3]) and not a["iscrowd"]]
    own = [a for a in people if a["area"] > 0]
    found = []
    for row, (before, after) in enumerate(zip(sound, faulty, strict=True)):
        for joint in range(16):
            place = after["keypoints"][3 * joint : 3 * joint + 2]
            if place != before["keypoints"][3 * joint : 3 * joint + 2]:
                beside = [a for a in people if a["image_id"] == before["image_id"]]
                kind = next(
                    kind
                    for kind in ERRORS
                    if (p := planted_at(kind, own[row], joint, beside)) is not None and p.tolist() == place
                )
                found.append((row, joint, kind))
    return found


def test_a_swap_onto_a_place_that_both_share_is_good(tmp_path, content):
    """Two people's joints in one place: whose is there cannot be told, and it is right for both."""
    shared = copy.deepcopy(content)
    people = [a for a in shared["annotations"] if a["num_keypoints"] > 8]
    one, other = next((a, b) for a in people for b in people if a is not b and a["image_id"] == b["image_id"])
    joint = next(k for k in range(16) if one["keypoints"][3 * k + 2] and other["keypoints"][3 * k + 2])
    other["keypoints"][3 * joint : 3 * joint + 2] = one["keypoints"][3 * joint : 3 * joint + 2]
    results = perfect_results(shared)
    overall = analysed(tmp_path, shared, results)["keypoints"]["overall"]
    assert overall["good_count"] == overall["labelled"]


def test_a_whole_person_swapped_is_seen_by_ids_alone(tmp_path, content):
    """COCO's pairing gives the pose to the neighbour whom it shows; the id says whose box it was of."""
    results = perfect_results(content, ids=True)
    rows = {r["annotation_id"]: r for r in results}
    people = [a for a in content["annotations"] if a["id"] in rows and a["num_keypoints"] == 16]
    one, other = next(
        (a, b) for a in people for b in people if a["image_id"] == b["image_id"] and a["id"] < b["id"]
    )
    rows[one["id"]]["keypoints"] = list(rows[other["id"]]["keypoints"])
    by_id = analysed(tmp_path, content, results)
    assert by_id["keypoints"]["overall"]["swap_count"] >= 12
    by_oks = analysed(tmp_path, content, results, pairing="oks")
    assert by_oks["keypoints"]["overall"]["swap_count"] == 0
    assert by_oks["people"]["with_a_pose"] == by_id["people"]["with_a_pose"] - 1
    assert by_oks["impact"]["AP"] == by_id["impact"]["AP"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("categories", [1, 2])
def test_ap_is_pycocotools_own(tmp_path, seed, categories):
    """On crowds, ties, over 20 results in an image, people without keypoints."""
    content, results = make_case(seed, categories=categories)
    sigmas = np.array([0.05, 0.1, 0.03, 0.07, 0.2])
    found = analysed(tmp_path, content, results, sigmas=sigmas)
    expected = pycocotools_eval(content, results, sigmas).stats
    names = ["AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL"]
    assert [found["scores"][name] for name in names] == expected.tolist()
    assert found["impact"]["AP"] == expected[0]
    cumulative = [row["AP"] for row in found["impact"]["cumulative"]]
    assert (np.diff(cumulative[:2]) >= -1e-12).all()
    json.dumps(found, allow_nan=False)


def test_scores_false_poses_and_missed_people(tmp_path, content):
    """A repeat with the surer score, a pose of nobody, a person without one: what each costs."""
    results = perfect_results(content)
    base = analysed(tmp_path, content, results)
    assert base["scoring"]["another_than_the_surest_is_best"] == 0
    assert base["impact"]["AP"] == pytest.approx(1)
    worse = [{**r, "score": 1.0, "keypoints": shifted(r["keypoints"], 3)} for r in results[:6]]
    nobodys = [{**r, "keypoints": shifted(r["keypoints"], 4000), "score": 0.99} for r in results[6:10]]
    found = analysed(tmp_path, content, [*results[3:], *worse, *nobodys])
    assert found["people"]["with_a_pose"] == len(results)
    assert found["scoring"] == {"people_with_several_poses": 3, "another_than_the_surest_is_best": 3}
    first = found["background"]["thresholds"][0]
    assert (first["false_poses"], first["missed_people"]) == (7, 0)
    alone = found["impact"]["alone"]
    # Ranked best, or without what is nobody's: nothing but the three people's own errors is left.
    assert alone["score"] > found["impact"]["AP"]
    assert alone["false_pose"] > found["impact"]["AP"]
    missing = analysed(tmp_path, content, results[4:])
    assert missing["background"]["thresholds"][0] == {"oks": 0.5, "false_poses": 0, "missed_people": 4}
    assert missing["impact"]["alone"]["missed"] == pytest.approx(1)
    assert missing["impact"]["alone"]["score"] == missing["impact"]["AP"] < 1


def test_optimal_scores_by_hand():
    """The nearest pair first; a repeat, and whoever is nobody's or of one to be ignored, has none."""
    people = np.zeros(3, np.int64)
    truth = GroundTruth(
        np.array([1]), np.array([1]), people, people, np.zeros((3, 1, 3)), np.zeros((3, 4)), np.ones(3),
        people > 0, np.array([False, False, True]),
    )  # fmt: skip
    pose, person = np.array([0, 0, 1, 1, 2, 3, 4]), np.array([0, 1, 0, 1, 0, 2, 1])
    oks = np.array([0.9, 0.2, 0.95, 0.3, 0.8, 0.99, 0.05])
    assert optimal_scores(truth, 6, (pose, person, oks)).tolist() == [0.2, 0.95, 0, 0, 0, 0]


def shifted(keypoints: list[float], by: float) -> list[float]:
    points = np.reshape(keypoints, (-1, 3)).copy()
    points[:, 0] += by
    return points.ravel().tolist()
