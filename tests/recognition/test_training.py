"""An embedding learnt through the engine: one loss, several, at several layers; its scores and files."""

from __future__ import annotations

import importlib.util
import os
import signal

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper
from reference import ROOT
from toy_identities import write_identities, write_pairs

from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.engine.configs.config import load_config
from posekit.engine.hooks.doctor import habits
from posekit.engine.processes.signals import Stopped
from posekit.engine.runner import PoseRunner
from posekit.errors import ConfigError, DataError
from posekit.metrics.evaluators import PCKMetric
from posekit.models import PoseEstimator
from posekit.models.pretrained import starting_later
from posekit.recognition import losses
from posekit.recognition.alignment import FIVE_POINTS, Align
from posekit.recognition.evaluators import IdentificationMetric, VerificationMetric
from posekit.recognition.files import read_embeddings
from posekit.recognition.heads import EmbeddingHead, TimmStages
from posekit.recognition.identities import load_identities
from posekit.recognition.sampling import IdentitySampler
from posekit.registry import MODELS
from posekit.skeletons import get_skeleton
from posekit.structures import blank_sample
from posekit.transforms import Crop

CONFIG = ROOT / "configs" / "recognition" / "mobilenetv2_celeba_112x112.py"
COSFACE = {"identification": {"type": losses.CosFace, "scale": 16.0, "margin": 0.1}}
BACKBONE = {"type": TimmStages, "name": "resnet10t", "options": {"out_indices": (0, 1, 2)}}


def estimator(stages=(-1,), **head):
    torch.manual_seed(0)
    settings = {"type": EmbeddingHead, "dim": 16, "classes": 8, "losses": COSFACE, **head}
    return PoseEstimator({**BACKBONE, "stages": stages}, settings, skeleton=FIVE_POINTS)


def batch(count=8, labels=None):
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    identity = torch.arange(count) % 4 if labels is None else labels
    return blank_sample(images.to(torch.uint8), 5)._replace(extra={"identity": identity})


def config(folder, work_dir):
    def loader(**settings):
        source = {"type": load_identities, "ann_file": "labels.csv", "image_dir": "images"}
        crop = {"type": Crop, "input_size_hw": (32, 32), "convention": "udp"}
        dataset = {"type": TopDownDataset, "source": source, "crop": crop, "augment": {"type": Align}}
        return {"batch_size": 16, "dataset": dataset, **settings}

    return {
        "skeleton": FIVE_POINTS.to_dict(),
        "data_root": str(folder),
        "work_dir": str(work_dir),
        "model": {
            "type": PoseEstimator,
            "backbone": BACKBONE,
            "head": {"type": EmbeddingHead, "dim": 16, "classes": 8, "losses": COSFACE},
        },
        "train_dataloader": loader(sampler={"type": IdentitySampler, "images": 4}),
        "val_dataloader": loader(sampler={"type": EpochSampler, "shuffle": False}),
        "val_evaluator": [
            {
                "type": VerificationMetric,
                "pairs": str(folder / "pairs.csv"),
                "embeddings_file": str(work_dir / "embeddings.npz"),
            },
            {"type": IdentificationMetric, "ranks": (1,)},
        ],
        "optim_wrapper": {"optimizer": {"type": torch.optim.AdamW, "lr": 2e-3}},
        "train_cfg": {"max_epochs": 10, "val_interval": 10},
        "default_hooks": {"curves": None, "checkpoint": {"save_best": "AUC"}},
    }


def test_it_learns_and_is_scored(tmp_path):
    folder = write_identities(tmp_path / "a")
    write_pairs(folder)
    runner = PoseRunner.from_cfg(config(folder, tmp_path / "work"))
    before = runner.val()
    runner.train()
    found = runner.val()
    assert set(found) == {
        "accuracy", "standard_error", "accuracy_best", "threshold_best", "AUC", "EER", "TAR@FAR=0.1",
        "TAR@FAR=0.01", "TAR@FAR=0.001", "rank-1", "mAP",
    }  # fmt: skip
    assert before["AUC"] < 0.85 < 0.9 < found["AUC"]
    assert before["rank-1"] < 0.75 < 0.9 < found["rank-1"]
    assert (tmp_path / "work" / "best_AUC.pth").exists()
    names, embeddings = read_embeddings(tmp_path / "work" / "embeddings.npz")
    assert names == [f"{number}.png" for number in range(48)]
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)
    assert habits([], [runner.val_dataloader.dataset], None) == []


class SignalAt(Hook):
    """Sends this process SIGTERM after some iteration (from 1)."""

    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_training_stopped_within_an_epoch_ends_as_one_left_alone(tmp_path):
    """Bit for bit: batches of identities, random faces, an annealed margin, a second loss."""
    folder = write_identities(tmp_path / "a", identities=8, each=6)
    write_pairs(folder)

    def runner(name, **entries):
        cfg = config(folder, tmp_path / name)
        cfg["train_dataloader"]["dataset"]["augment"] = {"type": Align, "flip_prob": 0.5, "rotation": 20}
        cfg["model"]["head"] |= {
            "losses": {
                "identification": {"type": losses.ASoftmax, "annealing": {}},
                "curriculum": {"type": losses.CurricularFace},
                "verification": {"type": losses.Contrastive, "normalise": True},
            },
            "dropout": 0.2,
        }
        return PoseRunner.from_cfg({**cfg, "train_cfg": {"max_epochs": 3, "val_interval": 3}, **entries}, 5)

    whole = runner("whole")
    whole.train()
    stopped = runner("stopped")
    stopped.register_hook(SignalAt(5))  # the second batch of three of the second epoch
    with pytest.raises(Stopped):
        stopped.train()
    assert (stopped.epoch, stopped.iter) == (1, 4)
    rest = runner("stopped", resume=True)
    rest.train()
    assert rest.model.head.layers[0].losses["identification"].step == 9
    for (name, value), (_, other) in zip(
        rest.model.state_dict().items(), whole.model.state_dict().items(), strict=True
    ):
        assert torch.equal(value, other), name
    moments = [run.optim_wrapper.optimizer.state_dict()["state"] for run in (rest, whole)]
    for key, values in moments[0].items():
        assert all(torch.equal(values[name], moments[1][key][name]) for name in values)


# --- the head ---------------------------------------------------------------------------------------------


def test_joint_identification_and_verification():
    """DeepID2: the sum is weighted as stated."""
    parts = {
        "identification": {"type": losses.Softmax},
        "verification": {"type": losses.Contrastive, "margin": 2.0},
    }
    model = estimator(losses=parts, weights={"verification": 0.05})
    report = model(*batch(), mode="loss")
    wanted = report["identification"] + 0.05 * report["verification"]
    assert report["loss"].item() == pytest.approx(wanted.item())
    assert report["verification"] > 0
    assert 0 <= report["acc"] <= 1


def test_supervision_at_several_layers():
    """DeepID2+: each stage has its own embedding, classes and loss, and all of them learn."""
    model = estimator(stages=(0, 1), stage_weight=0.5)
    assert model.backbone.stage_channels == (64, 128)
    report = model(*batch(), mode="loss")
    wanted = report["identification"] + 0.5 * report["identification_0"]
    assert report["loss"].item() == pytest.approx(wanted.item())
    report["loss"].backward()
    for layer in model.head.layers:
        assert layer.losses["identification"].weight.grad.abs().sum() > 0
        assert layer.layer.weight.grad.abs().sum() > 0
    (pose, *_) = model.eval()(*batch(), mode="predict")
    assert pose.extra["embedding"].shape == (16,)


def test_a_picture_and_its_mirror_image_have_one_embedding():
    """The two are averaged before they are normalised; without the flip test they differ."""
    model, sample = estimator().eval(), batch(4)
    mirrored = sample._replace(image=sample.image.flip(3))

    def embeddings(one):
        return np.stack([pose.extra["embedding"] for pose in model(*one, mode="predict")])

    np.testing.assert_allclose(embeddings(sample), embeddings(mirrored), atol=1e-5)
    image = model.normalise(sample.image)
    with torch.no_grad():
        raw = (model.stages(image)[-1] + model.stages(model.normalise(mirrored.image))[-1]) / 2
    np.testing.assert_allclose(embeddings(sample), torch.nn.functional.normalize(raw).numpy(), atol=1e-5)
    model.flip_test = False
    assert np.abs(embeddings(sample) - embeddings(mirrored)).max() > 1e-3


def test_a_learnt_pool_takes_the_stated_map():
    model = estimator(map_size_hw=(4, 4))
    assert model(*batch(), mode="loss")["loss"] > 0
    with pytest.raises(ConfigError, match=r"map_size_hw', found \(8, 8\)"):
        model.stages(torch.zeros(2, 3, 64, 64))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ({"losses": {}}, "expected name -> loss"),
        ({"losses": {"my_loss": COSFACE["identification"]}}, "without 'loss' in it"),
        ({"weights": {"verification": 1}}, "for one of .*identification"),
        ({"weights": {"identification": 0}}, "a number above 0"),
        ({"classes": None}, "CosFace needs to know how many identities"),
        ({"losses": {"a": {"type": losses.CosFace, "margn": 1}}}, "losses.a: .*margn"),
        ({"stages": (1, 0)}, "ascending numbers of resnet10t's 2 maps"),
    ],
)
def test_what_makes_no_sense_is_refused(head, words):
    with pytest.raises(ConfigError, match=words):
        estimator(**head)


def test_samples_without_identities_are_refused():
    with pytest.raises(ConfigError, match=r"have no 'who', only \['identity'\]"):
        estimator(column="who")(*batch(), mode="loss")
    with pytest.raises(ConfigError, match=r"labels 0\.\.7 .*found 8"):
        estimator()(*batch(labels=torch.arange(8) + 1), mode="loss")


# --- the evaluators ---------------------------------------------------------------------------------------


def metainfo(folder, **settings):
    table = load_identities("labels.csv", "images", str(folder), **settings)
    return {"table": table, "ann_file": "labels.csv", "skeleton": FIVE_POINTS}


def test_without_a_file_all_pairs_are_scored(tmp_path):
    metric = VerificationMetric(rates=[0.1])
    metric.dataset_meta = metainfo(write_identities(tmp_path / "a"))
    assert metric.score_names() == {
        "accuracy_best": "greater", "threshold_best": None, "AUC": "greater", "EER": "less",
        "TAR@FAR=0.1": "greater",
    }  # fmt: skip
    unit = np.eye(8)[np.arange(48) % 8]
    found = metric.score_embeddings(unit, np.arange(48), [], metric.dataset_meta)
    assert (found["AUC"], found["EER"], found["accuracy_best"]) == (1, 0, 1)


def test_pairs_of_other_pictures_are_refused(tmp_path):
    folder = write_identities(tmp_path / "a")
    pairs = write_pairs(folder)
    pairs.write_text(pairs.read_text().replace("11.png", "48.png"))
    with pytest.raises(DataError, match=r"expected all images of .* missing: \['48.png'\]"):
        VerificationMetric(str(pairs)).dataset_meta = metainfo(folder)
    with pytest.raises(ConfigError, match="no column 'who'"):
        IdentificationMetric(column="who").dataset_meta = metainfo(folder)


def test_the_tool_writes_embeddings_and_no_keypoints():
    spec = importlib.util.spec_from_file_location("test_tool", ROOT / "tools" / "test.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    kinds = [{"type": VerificationMetric}, {"type": IdentificationMetric}]
    assert tool.with_writer(kinds, "out") == [{**kinds[0], "embeddings_file": "out/embeddings.npz"}, kinds[1]]
    stated = [{**kinds[1], "embeddings_file": "mine.npz"}]
    assert tool.with_writer(stated, "out") == stated
    assert len(tool.with_writer([{"type": PCKMetric}], "out")) == 2


# --- the config -------------------------------------------------------------------------------------------


def test_the_config_states_what_it_says():
    cfg = load_config(CONFIG)
    assert get_skeleton(cfg.skeleton) == FIVE_POINTS
    loaders = [cfg[f"{stage}_dataloader"] for stage in ("train", "val", "test")]
    assert [loader["dataset"]["source"]["part"] for loader in loaders] == ["train", "val", "test"]
    assert all(loader["dataset"]["source"]["data_root"] == cfg.data_root for loader in loaders)
    assert not any(Align(**_arguments(loader["dataset"]["augment"])).random for loader in loaders[1:])
    assert cfg.model["head"]["classes"] == 250 - 25 - 25
    assert cfg.default_hooks["checkpoint"]["save_best"] == "AUC"
    assert cfg.auto_scale_lr["base_batch_size"] == loaders[0]["batch_size"]


def _arguments(part):
    return {key: value for key, value in part.items() if key != "type"}


def test_the_config_builds_and_takes_a_step():
    cfg = load_config(CONFIG)
    torch.manual_seed(0)
    with starting_later():  # its published weights are not here
        model = MODELS.build(cfg.model)
    optimiser = build_optim_wrapper(model, cfg.optim_wrapper)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    sample = batch(4)
    sample = sample._replace(image=sample.image.repeat(1, 1, 4, 4)[..., :112, :112])
    logged = model.train_step(sample, optimiser)
    assert torch.isfinite(logged["loss"])
    changed = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert np.mean(changed) > 0.9
    assert 1.8e6 < sum(p.numel() for p in model.backbone.parameters()) < 2.4e6
