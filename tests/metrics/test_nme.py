"""NME of faces: the releases' values, sizes and curves by hand, the evaluator, and the tool."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import reference
from evaluate_cases import run as run_tool
from evaluate_cases import scores_of, write
from metrics.test_evaluators import make_table, meta, poses_of

from posekit.errors import ConfigError
from posekit.face_skeletons import AFLW19, COFW29, IBUG68, MTFL5, WFLW98
from posekit.io.face_csv import read_face_csv
from posekit.metrics.evaluators import NMEMetric
from posekit.metrics.nme import (
    auc,
    auc_simpson,
    ced,
    ced_scores,
    face_sizes,
    failure_rate,
    nme_over_points,
    nme_per_face,
    nme_scores,
)

SETS = {68: IBUG68, 98: WFLW98, 29: COFW29, 19: AFLW19}


@pytest.fixture(params=SETS)
def case(request):
    """Arrays and values of a set, its inter-ocular sizes (AFLW: the boxes') and NME."""
    arrays, values = reference.load("face.npz"), reference.load_json("face.json")[f"nme{request.param}"]
    own = {
        name.partition("__")[2]: array for name, array in arrays.items() if f"nme{request.param}__" in name
    }
    labelled = np.ones(own["gt"].shape[:2], bool)
    sizes = face_sizes("inter_ocular", own["gt"], labelled, SETS[request.param].keypoints, np.zeros((0, 2)))
    own |= {"labelled": labelled, "grid": arrays["ced_grid"], "sizes": own.get("box_size", sizes)}
    own["found"] = nme_per_face(own["pred"], own["gt"], own["sizes"])
    return request.param, own, values


def test_reference_nme_by_every_size(case):
    count, own, values = case
    np.testing.assert_allclose(own["found"], own["nme_per_face"], rtol=1e-12)
    assert own["found"].mean() == pytest.approx(values["mean_nme"], rel=1e-12)
    sizes = {f"points_{size}": f"nme_bbox_{size}" for size in ("diagonal", "sqrt_wh", "max_side")}
    for norm, name in sizes.items() | ({("inter_pupil", "nme_interpupil")} if count == 68 else set()):
        size = face_sizes(norm, own["gt"], own["labelled"], SETS[count].keypoints, np.zeros((0, 2)))
        found = nme_per_face(own["pred"], own["gt"], size, own["labelled"])
        np.testing.assert_allclose(found, own[name], rtol=1e-12, err_msg=norm)


def test_reference_mean_over_points(case):
    """MMPose's, which works in float32."""
    _, own, values = case
    for mask, name in ((own["mask"], "masked"), (own["labelled"], "all")):
        found = nme_over_points(own["pred"], own["gt"], own["sizes"], mask)
        assert found == pytest.approx(values[f"mmpose_keypoint_nme_{name}"], rel=1e-6)


def test_reference_curves_and_failures(case):
    _, own, values = case
    np.testing.assert_allclose(ced(own["found"], own["grid"]), own["ced"], rtol=1e-12)
    for threshold in (0.08, 0.1):
        expected = values[f"thr{threshold:g}"]
        assert failure_rate(own["found"], threshold) == pytest.approx(
            expected["failure_rate_gt_thr"], rel=1e-12
        )
        assert auc(own["found"], threshold) == pytest.approx(expected["auc_exact_integral"], rel=1e-12)
        assert auc_simpson(own["found"], threshold) == pytest.approx(
            expected["pipnet_auc_simpson"], rel=1e-12
        )


# Right eye, left eye, nose, right and left corner of the mouth: eyes 60 apart, box 60 x 80.
FACE = np.array([[0.0, 0], [60, 0], [30, 40], [10, 80], [50, 80]])
NAMES = MTFL5.keypoints


@pytest.mark.parametrize(
    ("norm", "size"),
    [
        ("inter_pupil", 60), ("points_diagonal", 100), ("points_max_side", 80), ("points_sqrt_wh", 4800**0.5),
        ("box_diagonal", 50), ("box_max_side", 40), ("box_sqrt_wh", 1200**0.5), (["right_eye", "nose"], 50),
    ],
)  # fmt: skip
def test_sizes_by_hand(norm, size):
    faces, labelled = np.stack([FACE, FACE]), np.ones((2, 5), bool)
    labelled[1, 0] = False  # 50 x 80 are left
    sizes = face_sizes(norm, faces, labelled, NAMES, np.array([[1, 2, 30, 40], [1, 2, 0, 0]]))
    assert sizes[0] == pytest.approx(size)
    other = {"points_diagonal": 8900**0.5, "points_max_side": 80, "points_sqrt_wh": 4000**0.5}
    np.testing.assert_allclose(sizes[1], other.get(norm if isinstance(norm, str) else "", np.nan))


def test_the_pupils_of_300w_are_means_of_six_points():
    face = np.random.default_rng(0).normal(size=(1, 68, 2))
    expected = np.linalg.norm(face[0, 36:42].mean(axis=0) - face[0, 42:48].mean(axis=0))
    found = face_sizes("inter_pupil", face, np.ones((1, 68), bool), IBUG68.keypoints, np.zeros((1, 2)))
    assert found[0] == pytest.approx(expected)


def test_a_face_is_the_mean_of_its_labelled_points():
    labelled = np.array([[1, 1, 0, 1, 1], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [0] * 5, [1] * 5], bool)
    predicted = np.tile(FACE, (5, 1, 1))
    predicted[0, 0] += [3, 4]  # 5 px of 100, one point in four
    predicted[0, 2] += 1000  # not labelled
    predicted[1] += [0, 2]
    predicted[4] = np.nan
    nme = nme_per_face(predicted, np.tile(FACE, (5, 1, 1)), np.array([100, 100, np.nan, 100, 100]), labelled)
    np.testing.assert_allclose(nme, [0.0125, 0.02, np.nan, np.nan, np.inf])
    sizes = np.array([100, 100, np.nan, 100])
    pooled = nme_over_points(predicted[:4], np.tile(FACE, (4, 1, 1)), sizes, labelled[:4])
    assert pooled == pytest.approx((0.05 + 5 * 0.02) / 9)


NME = np.array([0.02, 0.05, 0.08, 0.2, np.inf, np.nan])


def test_curve_failures_and_area_by_hand():
    """Five faces, of which one has no prediction; a face at the threshold is no failure."""
    np.testing.assert_allclose(ced(NME, [0, 0.02, 0.0501, 0.08, 1]), [0, 0.2, 0.4, 0.6, 0.8])
    assert failure_rate(NME, 0.08) == pytest.approx(0.4)
    assert auc(NME, 0.08) == pytest.approx((6 / 8 + 3 / 8) / 5)
    assert auc_simpson(NME, 0.08) == pytest.approx(auc(NME, 0.08), abs=1e-3)
    assert np.isnan([failure_rate(NME[5:], 0.1), auc(NME[5:], 0.1), *ced(NME[5:], [0.1])]).all()
    assert ced_scores(NME, 0.1, 3) == {
        "CED/0": 0,
        "CED/0.05": pytest.approx(40),
        "CED/0.1": pytest.approx(60),
    }


def test_scores_and_groups_by_hand():
    groups = {"pose": np.array([1, 1, 5, 5, 5, 1]), "smile": np.array([-1, 0, -1, -1, -1, 0])}
    scores = nme_scores(NME, "inter_ocular", (0.1,), groups)
    assert scores == pytest.approx({
        "NME/inter_ocular": 35 / 4, "FR@0.1/inter_ocular": 40, "AUC@0.1/inter_ocular": (0.8 + 0.5 + 0.2) / 5,
        "NME/inter_ocular/pose=1": 3.5, "NME/inter_ocular/pose=5": 14, "NME/inter_ocular/smile=0": 5,
    })  # fmt: skip


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="expected labelled of shape"):
        nme_per_face(np.zeros((2, 5, 2)), np.zeros((2, 5, 2)), np.ones(2), np.ones((2, 4), bool))
    with pytest.raises(ConfigError, match=r"norm: expected one of \['inter_ocular'.*found 'eyes'"):
        face_sizes("eyes", np.zeros((1, 5, 2)), np.ones((1, 5), bool), NAMES, np.zeros((1, 2)))
    with pytest.raises(ConfigError, match=r"\['ear'\] not among the keypoints"):
        face_sizes(["ear", "nose"], np.zeros((1, 5, 2)), np.ones((1, 5), bool), NAMES, np.zeros((1, 2)))


# --- the evaluator ---------------------------------------------------------------------------------------


def faces():
    table = make_table(IBUG68)
    return replace(table, extra={"pose": np.array([1, 1, 5, 5, 5, -1]), "size": np.ones(6, np.float32)})


def test_the_evaluator_scores_with_directions():
    table = faces()
    metric = NMEMetric(groups=["pose"])
    metric.dataset_meta = meta(table)
    eyes = np.linalg.norm(table.keypoints[:, 36] - table.keypoints[:, 45], axis=1)
    announced = metric.score_names()
    metric.process(None, poses_of(table, 2.0)[:5])
    with pytest.warns(UserWarning, match="5 of the 6 people"):
        scores = metric.evaluate(6)
    assert scores["NME/inter_ocular"] == pytest.approx((200 / eyes[:5]).mean(), rel=1e-5)
    assert scores["NME/inter_ocular/pose=5"] == pytest.approx((200 / eyes[2:5]).mean(), rel=1e-5)
    assert scores["FR@0.1/inter_ocular"] == pytest.approx(100 * (1 + (2 / eyes[:5] > 0.1).sum()) / 6)
    assert list(announced) == list(scores)
    assert {name: way for name, way in announced.items() if way != "less"} == dict.fromkeys(
        ("AUC@0.08/inter_ocular", "AUC@0.1/inter_ocular"), "greater"
    )


def test_the_evaluator_refuses_what_it_cannot_score():
    table = faces()
    with pytest.raises(ConfigError, match="'groups' names 'size'; expected a column of whole numbers"):
        NMEMetric(groups=["size"]).dataset_meta = meta(table)
    with pytest.raises(ConfigError, match="needs the keypoints right_eye_outer"):
        NMEMetric().dataset_meta = meta(make_table(MTFL5))
    with pytest.raises(ConfigError, match=r"nobody in .* has the size 'inter_pupil'"):
        NMEMetric("inter_pupil").dataset_meta = meta(replace(table, visible=0 * table.visible))
    with pytest.raises(ConfigError, match="'thresholds': expected a number above 0 and at most 2"):
        NMEMetric(thresholds=(8,))
    with pytest.raises(ConfigError, match="'norm': expected one of"):
        NMEMetric("interocular")


# --- the tool --------------------------------------------------------------------------------------------


def face_csv(path, points, images=None, **columns):
    """Writes a csv of faces; NaN is an empty cell."""
    images = images or [f"{i}.jpg" for i in range(len(points))]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *(f"{a}{k}" for k in range(len(points[0])) for a in "xy"), *columns])
        for i, (image, face) in enumerate(zip(images, points, strict=True)):
            cells = ["" if np.isnan(v) else f"{v:.2f}" for v in np.ravel(face)]
            writer.writerow([image, *cells, *(column[i] for column in columns.values())])
    return path


@pytest.fixture
def files(tmp_path):
    """Three faces, the second without a nose; predictions 3 px off in another order, the third missing."""
    truth = np.stack([FACE, FACE + 5, FACE])
    truth[1, 2] = np.nan
    gt = face_csv(tmp_path / "gt.csv", truth, pose=[1, 5, 5])
    predicted = face_csv(
        tmp_path / "p.csv", np.stack([FACE + 5, FACE]) + np.array([3, 0]), ["1.jpg", "0.jpg"]
    )
    return gt, predicted


def test_the_tool_scores_csv_files(tmp_path, files):
    gt, predicted = files
    words = ("--norm", "inter_pupil", "--groups", "pose", "--thresholds", 0.1, "--curve")
    scores = scores_of(tmp_path, "nme", "--gt", gt, "--results", predicted, *words)
    assert scores["NME/inter_pupil"] == pytest.approx(5)
    assert scores["FR@0.1/inter_pupil"] == pytest.approx(100 / 3)
    assert scores["AUC@0.1/inter_pupil"] == pytest.approx(1 / 3)
    assert scores["NME/inter_pupil/pose=1"] == scores["NME/inter_pupil/pose=5"] == pytest.approx(5)
    assert (scores["counts/faces"], scores["counts/missing_predictions"]) == (3, 1)
    assert (scores["CED/0.048"], scores["CED/0.05"]) == (0, pytest.approx(200 / 3))


def test_the_tool_scores_results_and_coco(tmp_path, files):
    """The same faces as COCO's json and results, by annotation."""
    gt, predicted = files
    rows, other = read_face_csv(gt), read_face_csv(predicted)
    results = [
        {"image_id": row, "category_id": 1, "annotation_id": row, "score": 1,
         "keypoints": np.c_[other.points[at], np.ones(5)].ravel().tolist()}
        for row, at in ((1, 1), (2, 0))
    ]  # fmt: skip
    people = [
        {"id": row, "image_id": row, "category_id": 1, "bbox": [0, 0, 30, 40], "area": 1, "iscrowd": 0,
         "num_keypoints": 5, "pose": 1, "keypoints": np.nan_to_num(np.c_[face, 2 * seen]).ravel().tolist()}
        for row, face, seen in zip((1, 2, 3), rows.points, rows.labelled, strict=True)
    ]  # fmt: skip
    coco = {
        "images": [{"id": row, "file_name": f"{row}.jpg"} for row in (1, 2, 3)], "annotations": people,
        "categories": [{"id": 1, "name": "face", "keypoints": list(NAMES)}],
    }  # fmt: skip
    r, c = write(tmp_path / "r.json", results), write(tmp_path / "gt.json", coco)
    by_csv = scores_of(tmp_path, "nme", "--gt", gt, "--results", r, "--norm", "inter_pupil")
    assert by_csv["NME/inter_pupil"] == pytest.approx(5)
    scores = scores_of(
        tmp_path, "nme", "--gt", c, "--results", r, "--norm", "inter_pupil", "--groups", "pose"
    )
    assert {**scores, "NME/inter_pupil/pose=1": None} == {**by_csv, "NME/inter_pupil/pose=1": None}
    box = scores_of(tmp_path, "nme", "--gt", c, "--results", r, "--norm", "box_diagonal")
    assert box["NME/box_diagonal"] == pytest.approx(6)
    pair = scores_of(tmp_path, "nme", "--gt", gt, "--results", r, "--norm", "right_eye", "nose")
    assert pair["NME/right_eye-nose"] == pytest.approx(6)
    assert pair["counts/without_the_size"] == 1


@pytest.mark.parametrize(
    ("truth", "words", "message"),
    [
        ("", [], "line 1: expected the columns image, x0, y0"),
        ("image,x0,y0\na.jpg,1\n", [], "line 2: expected 3 cells as the header has, found 2"),
        ("image,x0,y0\na.jpg,1,far\n", [], "line 2, column 'y0': expected a finite number, found 'far'"),
        ("image,x0,y0\na.jpg,1,\n", [], "line 2: point 0: expected both x0 and y0, or neither"),
        (
            "image,x0,y0\na.jpg,1,2\n",
            [],
            "has 1 points; no set of faces does; name their skeleton: --skeleton",
        ),
        (None, ["--norm", "inter_ocular"], "needs the keypoints right_eye_outer"),
        (
            "image,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4,pose\n0.jpg,1,2,3,2,2,3,1,4,3,4,1e300\n",
            ["--groups", "pose"],
            "line 2, column 'pose': expected whole numbers of 64 bits, found '1e300'",
        ),
        (None, ["--groups", "smile", "--norm", "eyes"], "--norm: expected one of"),
        (None, ["--thresholds", "8"], "--thresholds: expected a number above 0"),
        (None, ["--skeleton", "ibug68"], "has 5 points; skeleton 'ibug68' has 68"),
        (None, ["--category", "1"], "is a csv, of which all rows are scored"),
    ],
)
def test_what_the_tool_cannot_score_is_told(tmp_path, files, capsys, truth, words, message):
    gt, predicted = files
    if truth is not None:
        gt.write_text(truth)
    assert run_tool("nme", "--gt", gt, "--results", predicted, *words) == 2
    assert message in capsys.readouterr().err


def test_predictions_of_other_faces_are_refused(tmp_path, files, capsys):
    gt, _ = files
    for images, message in (
        (["0.jpg", "x.jpg"], "p.csv, line 3 (x.jpg): no image of"),
        (["0.jpg", "0.jpg"], "p.csv: an image stands there twice, and"),
    ):
        predicted = face_csv(tmp_path / "p.csv", np.stack([FACE, FACE]), images)
        assert run_tool("nme", "--gt", gt, "--results", predicted, "--norm", "inter_pupil") == 2
        assert message in capsys.readouterr().err
