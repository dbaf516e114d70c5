"""Training a detector: its losses are torchvision's, its checkpoints are a PersonDetector's weights."""

import numpy as np
import pytest
import torch
from detection.detector_cases import TINY, _weights, write_set, write_weights
from reference import ROOT
from torch.utils.data import ConcatDataset

from posekit.datasets import KeyedDataset
from posekit.detection import DetectedPeople, PersonDetector
from posekit.detection.dataset import ImageSample, PeopleImages, collate
from posekit.detection.networks import InputSize, build_network, input_size_of, to_network
from posekit.detection.training import BoxAPMetric, PersonFasterRCNN, person_rows
from posekit.engine.configs.config import load_config
from posekit.engine.runner import PoseRunner
from posekit.errors import CheckpointError, ConfigError

CONFIG = ROOT / "configs" / "detector" / "people_fasterrcnn.py"


def batch_of(folder):
    people = PeopleImages("people.json", "images", data_root=str(write_set(folder).parent))
    return collate([people[0], people[1]])


def test_losses_are_those_of_torchvision(tmp_path):
    batch = batch_of(tmp_path)
    model = PersonFasterRCNN(
        network=TINY, weights=str(write_weights(tmp_path / "w.pth")), input_size=(64, 96)
    )
    plain = build_network(TINY, 2, InputSize(64, 96))
    plain.load_state_dict(_weights(2))
    torch.manual_seed(1)  # of the proposals that are drawn for the loss
    losses = model(*batch, mode="loss")
    torch.manual_seed(1)
    targets = [{"boxes": b, "labels": torch.ones(len(b), dtype=torch.int64)} for b in batch.boxes_xyxy]
    expected = plain([to_network(image) for image in batch.image], targets)
    assert set(losses) == {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)
        assert value > 0


def test_people_of_91_classes_are_rows_0_and_1():
    weights = {
        f"roi_heads.box_predictor.{name}": torch.arange(rows * 91.0).reshape(rows * 91, *tail)
        for layer, rows in (("cls_score", 1), ("bbox_pred", 4))
        for name, tail in ((f"{layer}.weight", (1,)), (f"{layer}.bias", ()))
    }
    kept = person_rows(weights, "file")
    assert kept["roi_heads.box_predictor.cls_score.bias"].tolist() == [0, 1]
    assert kept["roi_heads.box_predictor.bbox_pred.bias"].tolist() == list(range(8))
    with pytest.raises(CheckpointError, match=r"expected roi_heads\.box_predictor\.cls_score\.weight"):
        person_rows({}, "file")


def test_fine_tuning_starts_from_the_file(tmp_path):
    path = write_weights(tmp_path / "coco.pth", classes=91)
    model = PersonFasterRCNN(network=TINY, weights=str(path), frozen=("backbone.body.",))
    start = _weights(91)
    weights = model.detector.state_dict()
    torch.testing.assert_close(weights["rpn.head.conv.0.0.weight"], start["rpn.head.conv.0.0.weight"])
    name = "roi_heads.box_predictor.bbox_pred.weight"
    torch.testing.assert_close(weights[name], start[name][:8])
    assert not any(p.requires_grad for p in model.detector.backbone.body.parameters())
    assert all(p.requires_grad for p in model.detector.rpn.parameters())


def test_impossible_settings_are_named():
    with pytest.raises(ConfigError, match=r"model.frozen: nothing .* begins with 'body.'"):
        PersonFasterRCNN(network=TINY, frozen=("body.",))
    with pytest.raises(ConfigError, match=r"model.input_size: .* found \(300, 200\)"):
        PersonFasterRCNN(network=TINY, input_size=(300, 200))
    with pytest.raises(ConfigError, match=r"model.input_size: .* multiple of 32 to pad to"):
        PersonFasterRCNN(network=TINY, input_size=(100, 200, 100))


def test_metric_counts_every_image_once(tmp_path):
    people = PeopleImages("people.json", "images", data_root=str(write_set(tmp_path).parent))
    metric = BoxAPMetric()
    metric.dataset_meta = people.metainfo
    truth = [DetectedPeople(boxes, np.ones(len(boxes), np.float32)) for boxes in people.boxes]
    half = [DetectedPeople(truth[0].boxes_xyxy[:1], truth[0].scores[:1]), *truth[1:]]
    whole = metric.compute_metrics(_results(metric, people, truth))
    again = metric.compute_metrics(_results(metric, people, truth) + _results(metric, people, truth)[:1])
    assert whole == again
    # The set's last box lies outside its image: never learnt, still in pycocotools' ground truth. One that
    # is clipped to the image (60 wide, 46 inside) overlaps by 46/60 with the annotation.
    assert whole["AR"] == pytest.approx((1 + 0.6 + 1) / 4)
    assert metric.compute_metrics(_results(metric, people, half))["AR"] == pytest.approx((1 + 1) / 4)
    assert metric.score_names() == dict.fromkeys(whole, "greater")


def test_metric_refuses_a_mixture(tmp_path):
    people = PeopleImages("people.json", "images", data_root=str(write_set(tmp_path).parent))
    with pytest.raises(ConfigError, match=r"found a wrapper of .*people\.json; score each data set"):
        BoxAPMetric().dataset_meta = KeyedDataset(ConcatDataset([people, people])).metainfo


def _results(metric, people, found):
    metric.results = []
    batch = ImageSample(None, None, torch.tensor(people.image_ids))
    metric.process(batch, found)
    return metric.results


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two epochs on the small set, by the config with smaller numbers."""
    folder = tmp_path_factory.mktemp("training")
    write_set(folder)
    options = {"data_root": str(folder), "model.input_size": (64, 96, 96), "train_cfg.max_epochs": 2}
    for stage in ("train", "val"):
        loader = f"{stage}_dataloader"
        options |= {
            f"{loader}.batch_size": 2,
            f"{loader}.num_workers": 0,
            f"{loader}.persistent_workers": False,
        }
        options |= {f"{loader}.dataset.ann_file": "people.json", f"{loader}.dataset.image_dir": "images"}
    options |= {"train_cfg.val_interval": 1, "default_hooks.checkpoint.max_keep_ckpts": -1}
    cfg = load_config(CONFIG, options)
    cfg.work_dir = str(folder / "work")
    runner = PoseRunner.from_cfg(cfg)
    runner.train()
    runner.close()
    return folder, runner


def test_the_config_trains_validates_and_keeps_the_best(trained):
    folder, runner = trained
    names = {path.name for path in (folder / "work").iterdir()}
    assert {"best_AP.pth", "epoch_2.pth", "last_checkpoint", "run.json"} <= names
    losses = runner.message_hub.get_scalar("train/loss").data[0]
    assert len(losses) == 4  # 3 images in batches of 2, twice
    assert np.isfinite(losses).all()


def test_its_checkpoint_is_a_detector(trained):
    folder, runner = trained
    detector = PersonDetector(weights=folder / "work" / "epoch_2.pth", score_threshold=0.0, device="cpu")
    assert detector.network == TINY
    assert input_size_of(detector.model) == (64, 96, 96)
    people = PeopleImages("people.json", "images", data_root=str(folder))
    image = people[0].image
    (found,) = detector([image.permute(1, 2, 0).numpy()])
    model = runner.model.eval()
    model.detector.roi_heads.score_thresh = 0.0
    (expected,) = model(*collate([people[0]]), mode="predict")
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=1e-3)


def test_it_resumes(trained, tmp_path):
    _, runner = trained
    cfg = runner.cfg.copy()
    cfg.work_dir = str(tmp_path / "resumed")
    cfg.resume, cfg.load_from = True, str(trained[0] / "work" / "epoch_1.pth")
    again = PoseRunner.from_cfg(cfg)
    again.train()
    again.close()
    assert again.epoch == 2
    assert (tmp_path / "resumed" / "epoch_2.pth").is_file()
    # To the bit, though it has validated before it trained.
    for name, weight in runner.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight), name
