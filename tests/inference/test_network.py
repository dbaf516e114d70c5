"""Which network a predictor gets: bundled, from a config, from the zoo, handed over."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import ROOT

from posekit import Predictor
from posekit.engine.checkpoints.files import write_checkpoint
from posekit.engine.configs.config import load_config
from posekit.errors import CheckpointError, ConfigError, DataError
from posekit.inference import bundle, write_bundle
from posekit.inference.network import load_network
from posekit.models import create
from posekit.models.distilled import DistilledEstimator
from posekit.models.estimator import PoseEstimator
from posekit.transforms import Crop

CONFIG = ROOT / "configs" / "lsp" / "hourglass_small_lsp_96x96_mse.py"
CROP = Crop((96, 96), padding=1.1, convention="udp")
IMAGE = np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[PoseEstimator, Path]:
    """A small network with random weights, and its checkpoint."""
    torch.manual_seed(0)
    estimator = bundle.build_estimator(load_config(CONFIG).model.to_dict()).eval()
    path = tmp_path_factory.mktemp("trained") / "small.pth"
    write_checkpoint({"state_dict": estimator.state_dict()}, path)
    return estimator, path


def test_config_and_checkpoint(trained):
    estimator, path = trained
    ours = Predictor(CONFIG, path, device="cpu", exact=True)(IMAGE)[0]
    theirs = Predictor(estimator, crop=CROP, device="cpu")(IMAGE)[0]
    np.testing.assert_array_equal(ours.keypoints, theirs.keypoints)
    quick = Predictor(CONFIG, path, device="cpu")(IMAGE)[0]
    np.testing.assert_allclose(quick.keypoints, theirs.keypoints, atol=1e-3)
    np.testing.assert_allclose(quick.scores, theirs.scores, atol=1e-4 * theirs.scores.max())
    assert load_network(str(CONFIG), path).crop == CROP


def test_a_crop_of_ones_own(trained):
    assert load_network(CONFIG, trained[1], Crop((64, 64))).crop == Crop((64, 64))


@pytest.mark.parametrize(
    ("model", "checkpoint", "words"),
    [
        (CONFIG, None, "holds no weights"),
        ("configs/none.py", "x.pth", "no such file"),
        ("hrnet_w23", None, "hrnet_w"),
        (None, "some.pth", "which network"),
    ],
)
def test_unclear_networks(model, checkpoint, words):
    with pytest.raises(ConfigError, match=words):
        load_network(model, checkpoint)


@pytest.mark.parametrize("name", ["lite0_smal", "lite0_smallcoco17_160x128"])
def test_names_like_a_bundled_models_are_told_it(name):
    with pytest.raises(ConfigError, match=r"bundled 'lite0_small_coco17_160x128'.* posekit/docs/models\.md"):
        load_network(name, None)


def test_a_file_of_another_kind_is_no_missing_name(tmp_path):
    for name in ("x.pt2", "notes.txt", "plain"):
        (tmp_path / name).write_text("")
        with pytest.raises(ConfigError, match=rf"{name}: is no \.onnx file, config \(\.py\) or name"):
            load_network(tmp_path / name, None)


def test_without_a_bundled_model_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(bundle, "WEIGHTS", tmp_path / "none")
    with pytest.raises(ConfigError, match=r"checkpoint='.*zoo|zoo.*checkpoint="):
        Predictor()


def test_modules_of_another_kind():
    with pytest.raises(ConfigError, match="Linear"):
        Predictor(torch.nn.Linear(1, 1))


def test_network_of_the_zoo(tmp_path):
    torch.manual_seed(0)
    network = create("hourglass_s1_mpii_256x256")
    found = load_network(network, None)
    assert found.crop == Crop((256, 256))
    assert found.name == "hourglass_s1_mpii_256x256"
    assert found.estimator.flip_test == network.row.flip_test
    torch.testing.assert_close(found.estimator.std, network.std)
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    named = load_network("hourglass_s1_mpii_256x256", path).estimator.state_dict()
    assert torch.equal(named["backbone.conv1.weight"], network.state_dict()["backbone.conv1.weight"])


# --- bundles ----------------------------------------------------------------------------------------------


@pytest.fixture
def bundled(trained, monkeypatch, tmp_path) -> Path:
    path = tmp_path / "weights" / "small.safetensors"
    cfg = load_config(CONFIG, {"model.frozen": ["backbone.conv1."]})
    write_bundle(path, cfg, trained[1], data="none", scores={"PCK": 1.5})
    monkeypatch.setattr(bundle, "WEIGHTS", path.parent)
    return path


def test_the_bundled_model_is_the_default(trained, bundled):
    ours = Predictor(device="cpu")
    assert ours.describe()["model"] == "small"
    points = Predictor(trained[0], crop=CROP, device="cpu")(IMAGE)[0]
    for predictor in (ours, Predictor("small", device="cpu"), Predictor(checkpoint=bundled, device="cpu")):
        pose = predictor(IMAGE)[0]
        np.testing.assert_allclose(pose.scores, points.scores, atol=2e-3)  # half precision
        assert predictor.skeleton.name == "lsp14"


def test_a_bundle_is_small_and_states_its_facts(trained, bundled):
    card = json.loads(bundled.with_suffix(".json").read_text("utf-8"))
    assert card["scores"] == {"PCK": 1.5}
    assert card["crop"]["input_size_hw"] == [96, 96]
    assert card["model"]["backbone"]["type"] == "Hourglass"
    assert "frozen" not in card["model"]  # it concerns the training alone
    parameters = sum(p.numel() for p in trained[0].state_dict().values())
    assert bundled.stat().st_size < 2 * parameters + 100_000
    weights = bundle.read_bundle(bundled)[0].state_dict()
    for name, tensor in trained[0].state_dict().items():
        assert weights[name].dtype == tensor.dtype
        torch.testing.assert_close(weights[name], tensor, rtol=1e-3, atol=1e-6)


def test_a_bundle_of_a_pupil_knows_nothing_of_its_teacher(trained, bundled, tmp_path):
    cfg = load_config(CONFIG, {})
    teacher = {"model": {**cfg.model}, "checkpoint": "gone"}
    cfg.model.update(type=DistilledEstimator, teacher=teacher, share=1)
    written = write_bundle(tmp_path / "pupil.safetensors", cfg, trained[1])
    assert type(written) is PoseEstimator
    plain, own = (json.loads(p.with_suffix(".json").read_text()) for p in (bundled, tmp_path / "pupil.json"))
    assert own["model"] == plain["model"]


@pytest.mark.parametrize("card", ["{}", '{"model": {}, "crop": {}}', '{"model": 3, "crop": 4}', "[]"])
def test_a_card_that_describes_no_network(bundled, card):
    bundled.with_suffix(".json").write_text(card)
    with pytest.raises(CheckpointError, match=r"small\.json"):
        Predictor()


def test_a_damaged_bundle(bundled):
    bundled.write_bytes(bundled.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="small"):
        Predictor()
    bundled.with_suffix(".json").write_text("{")
    with pytest.raises(DataError, match="JSON"):
        Predictor()


def test_a_bundle_needs_its_suffix(trained, tmp_path):
    with pytest.raises(ConfigError, match="safetensors"):
        write_bundle(tmp_path / "x.pth", load_config(CONFIG), trained[1])


def test_what_is_quicker_is_the_same(trained):
    _, path = trained
    exact, quick = (Predictor(CONFIG, path, device="cpu", exact=exact) for exact in (True, False))
    norms = [
        sum(isinstance(part, torch.nn.BatchNorm2d) for part in one._estimator.modules())
        for one in (exact, quick)
    ]
    assert norms[1] < norms[0]
    boxes = np.array(
        [[2.0 * i, i, 40 + i, 60] for i in range(12)]
    )  # more than share a batch with their mirror images
    for people in (boxes[:1], boxes):
        for expected, found in zip(exact(IMAGE, people), quick(IMAGE, people), strict=True):
            np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)
    assert Predictor(CONFIG, path, device="cpu", flip_test=False)._estimator.flip_test is False


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"exact": True, "backend": "folded"}, "state one of them"),
        (
            {"backend": "quick"},
            "'backend': expected one of eager, folded, bf16, compile, onnx, found 'quick'",
        ),
        ({"threads": 0}, "'threads' must be a whole number of at least 1, found 0"),
    ],
)
def test_settings_of_speed_that_cannot_be(trained, settings, words):
    with pytest.raises(ConfigError, match=words):
        Predictor(CONFIG, trained[1], device="cpu", **settings)


def test_threads_are_those_of_the_user_or_of_the_work(trained, monkeypatch):
    from posekit.inference import predictor as module

    before, seen, asked, look = torch.get_num_threads(), [], [], module.look
    monkeypatch.setattr(module, "look", lambda *given: seen.append(torch.get_num_threads()) or look(*given))
    monkeypatch.setattr(module, "threads_for", lambda macs: asked.append(macs) or before + (2 if macs else 0))
    people = np.array([[2.0, 3, 40, 60], [5, 6, 60, 70], [1, 1, 80, 80]])
    Predictor(CONFIG, trained[1], device="cpu", threads=before + 1)(IMAGE, people)
    assert (seen, asked) == ([before + 1], [])
    predictor = Predictor(CONFIG, trained[1], device="cpu")
    predictor(IMAGE, people)
    assert seen[1:] == [before + 2]
    once = predictor._network.macs()
    assert asked == [0, 3 * once]  # the network is made of small tensors
    assert torch.get_num_threads() == before


def test_the_finder_is_read_when_somebody_is_to_be_found(trained, monkeypatch):
    from posekit.inference import predictor as module

    asked = []
    monkeypatch.setattr(module, "embedded_finder", lambda *given: asked.append(given))
    predictor = Predictor(CONFIG, trained[1], device="cpu")
    predictor(IMAGE, np.array([[2.0, 3, 40, 60]]))
    assert not asked
    predictor(IMAGE)
    predictor(IMAGE)
    assert len(asked) == 1


def test_memory_is_kept_only_if_asked(trained, monkeypatch):
    from posekit.inference import predictor as module

    kept = []
    monkeypatch.setattr(module, "keep_freed_memory", lambda: kept.append(True))
    Predictor(CONFIG, trained[1], device="cpu")
    assert kept == []
    Predictor(CONFIG, trained[1], device="cpu", keep_memory=True)
    assert kept == [True]
