"""tools/evaluate.py verification and identification."""

from __future__ import annotations

import json

import numpy as np
import pytest
import reference
from evaluate_cases import run

from posekit.recognition.files import write_embeddings


@pytest.fixture
def scores_of(tmp_path, capsys):
    """The scores of a command, and what it says."""

    def scored(*words):
        out = tmp_path / "scores.json"
        assert run(*words, "--out", out) == 0
        return json.loads(out.read_text()), capsys.readouterr().out

    return scored


def files(tmp_path):
    """Unit vectors at angles: a and b of one identity each, c between them."""
    angles = np.radians([0, 10, 60, 75, 40])
    images = ["a1", "a2", "b1", "b2", "c1"]
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    write_embeddings(tmp_path / "e.npz", images, vectors.astype(np.float32))
    (tmp_path / "labels.csv").write_text("image,identity\na1,a\na2,a\nb1,b\nb2,b\nc1,c\n")
    (tmp_path / "pairs.csv").write_text(
        "fold,image_a,image_b,same\n1,a1,a2,1\n1,a1,b1,0\n2,b1,b2,1\n2,b1,c1,0\n"
    )
    return tmp_path / "e.npz"


def test_verification_by_hand(tmp_path, scores_of):
    embeddings = files(tmp_path)
    pairs = tmp_path / "pairs.csv"
    scores, said = scores_of("verification", "--pairs", pairs, "--embeddings", embeddings)
    assert "4 pairs, 2 of them the same, 2 folds" in said
    # Fold 1 at the middle of cos 15 and cos 20, which is right; fold 2 at that of cos 10 and cos 60: too low.
    assert (scores["fold_accuracy/1"], scores["fold_accuracy/2"]) == (1, 0.5)
    middle = (np.cos(np.radians(15)) + np.cos(np.radians(20))) / 2
    assert scores["fold_threshold/1"] == pytest.approx(middle, abs=1e-6)
    assert (scores["accuracy"], scores["standard_error"]) == (0.75, pytest.approx(0.25))
    assert (scores["AUC"], scores["EER"], scores["TAR@FAR=0.01"]) == (1, 0, 1)
    text = "\n".join(line.partition(",")[2] for line in pairs.read_text().splitlines())
    pairs.write_text(text)
    words = ("--pairs", pairs, "--embeddings", embeddings, "--far", 0.5)
    scores, said = scores_of("verification", *words)
    assert "no folds" in said
    assert set(scores) == {"accuracy_best", "threshold_best", "AUC", "EER", "TAR@FAR=0.5"}


def test_identification_by_hand(tmp_path, scores_of):
    embeddings, labels = files(tmp_path), tmp_path / "labels.csv"
    words = ("identification", "--labels", labels, "--embeddings", embeddings, "--ranks", 1, 2)
    scores, said = scores_of(*words)
    assert "4 pictures among 4" in said
    assert scores == {"rank-1": 1, "rank-2": 1, "mAP": 1}
    gallery = tmp_path / "gallery.csv"
    gallery.write_text("image,identity\na1,b\nb1,a\n")
    scores, said = scores_of(*words, "--gallery", gallery)
    assert "4 pictures among 2" in said
    assert scores == {"rank-1": 0, "rank-2": 1, "mAP": 0.5}


def test_the_input_is_at_fault(tmp_path, capsys):
    embeddings, pairs = files(tmp_path), tmp_path / "pairs.csv"
    words = ("verification", "--pairs", pairs, "--embeddings", embeddings)
    assert run(*words, "--out", pairs) == 2
    assert "the file of --pairs, would be overwritten" in capsys.readouterr().err
    pairs.write_text(pairs.read_text().replace("c1", "c2"))
    assert run(*words) == 2
    said = capsys.readouterr().err
    assert "e.npz: expected all images of" in said
    assert "1 missing: ['c2']; there are names like ['a1']" in said
    assert run("identification", "--labels", pairs, "--embeddings", embeddings) == 2
    assert "expected a header with each of ['image', 'identity']" in capsys.readouterr().err


@pytest.mark.parametrize("value", [0, 1e200])
@pytest.mark.parametrize("command", ["verification", "identification"])
def test_an_embedding_without_a_direction_is_named(tmp_path, capsys, command, value):
    path = files(tmp_path)
    embeddings = np.ones((5, 2))
    embeddings[3] = value
    write_embeddings(path, ["a1", "a2", "b1", "b2", "c1"], embeddings)
    option = (
        ("--pairs", tmp_path / "pairs.csv")
        if command == "verification"
        else ("--labels", tmp_path / "labels.csv")
    )
    assert run(command, *option, "--embeddings", path) == 2
    said = capsys.readouterr().err
    assert f"{path}: field 'embedding'" in said
    assert f"1 pictures of which it is 0 or beyond 1e154, first b2: [{float(value)}, {float(value)}]" in said


def test_faulty_pairs_are_named_by_their_file(tmp_path, capsys):
    embeddings, pairs = files(tmp_path), tmp_path / "pairs.csv"
    pairs.write_text(pairs.read_text().replace("\n2,", "\n1,"))
    assert run("verification", "--pairs", pairs, "--embeddings", embeddings) == 2
    assert f"{pairs}: folds: expected at least 2, found 1" in capsys.readouterr().err


def test_the_reference(tmp_path, scores_of):
    arrays, wanted = reference.load("verification.npz"), reference.load_json("verification.json")["onnx"]
    names = np.concatenate([arrays["image_a"], arrays["image_b"]])
    vectors = np.concatenate([arrays["onnx_emb_a"], arrays["onnx_emb_b"]])
    images, first = np.unique(names, return_index=True)
    write_embeddings(tmp_path / "e.npz", images.tolist(), vectors[first])
    pairs = reference.path("data/lfw/pairs.csv")
    words = ("verification", "--pairs", pairs, "--embeddings", tmp_path / "e.npz")
    scores, _ = scores_of(*words)
    stated = wanted["accuracy"]
    near = {"abs": 1e-9}
    assert scores["accuracy"] == pytest.approx(stated["mean"], **near)
    assert scores["standard_error"] == pytest.approx(stated["standard_error"], **near)
    for fold, accuracy, threshold in zip(
        wanted["folds"], stated["per_fold"], stated["threshold_per_fold"], strict=True
    ):
        assert scores[f"fold_accuracy/{fold}"] == pytest.approx(accuracy, **near)
        assert scores[f"fold_threshold/{fold}"] == pytest.approx(threshold, **near)
    assert scores["AUC"] == pytest.approx(wanted["auc"], **near)
    assert scores["TAR@FAR=0.001"] == pytest.approx(wanted["tar_at_far"]["0.001"]["tar"], **near)


def test_a_picture_that_would_find_itself_is_told(tmp_path, scores_of, capsys):
    embeddings, labels, gallery = files(tmp_path), tmp_path / "labels.csv", tmp_path / "gallery.csv"
    words = ("identification", "--labels", labels, "--embeddings", embeddings)
    gallery.write_text("image,identity\na1,a\nc1,c\nb2,b\n")
    assert "note: 3 of them are in the gallery too" in scores_of(*words, "--gallery", gallery)[1]
    labels.write_text("image,identity\na2,a\nb1,b\n")
    assert "note" not in scores_of(*words, "--gallery", gallery)[1]
    for text, said in (
        ("image,identity\na1,a\nb1,b\na1,b\n", "row 3, field 'image': 'a1' stands there already"),
        ("image,identity\na1,a\nb1,\n", "row 2, field 'identity': expected a name, found none"),
    ):
        labels.write_text(text)
        assert run(*words) == 2
        assert f"{labels}: {said}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,a2,a2,1", "row 5: expected two pictures, found 'a2' twice"),
        ("2,b1,a1,1", "row 5, field 'same': row 2 says 0 of the same two pictures, found 1"),
    ],
)
def test_pairs_that_say_nothing_are_refused(tmp_path, capsys, row, said):
    embeddings, pairs = files(tmp_path), tmp_path / "pairs.csv"
    words = ("verification", "--pairs", pairs, "--embeddings", embeddings)
    stated = pairs.read_text()
    pairs.write_text(f"{stated}2,b1,a1,0\n")  # again, the same way
    assert run(*words) == 0
    pairs.write_text(f"{stated}{row}\n")
    assert run(*words) == 2
    assert f"{pairs}: {said}" in capsys.readouterr().err
