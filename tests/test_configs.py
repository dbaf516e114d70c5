"""Every config loads, says what it is, builds its network and takes a step; recipes hold their numbers."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import reference
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from posekit.engine.configs.config import load_config
from posekit.metrics.evaluators import OKSMetric, PCKhMetric, PCKMetric
from posekit.models.losses import FocalMSELoss, JointsMSELoss, MSELoss
from posekit.registry import DATASETS, METRICS, MODELS
from posekit.structures import Sample
from posekit.transforms import Augment

ROOT = reference.ROOT / "configs"
# Detectors have no heatmaps: tests/detection.
CONFIGS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in ROOT.rglob("*.py")
    if not {"_base_", "detector"} & set(path.relative_to(ROOT).parts)
)
PUBLISHED = [
    name
    for name in CONFIGS
    if name.split("/")[0] in ("paper", "hrnet", "simple_baseline", "hourglass", "lsp")
]
CROPS = [f"{stage}_dataloader.dataset.crop.input_size_hw" for stage in ("train", "val", "test")]


def small(name: str) -> dict:
    """Overrides for a step within a second."""
    options = dict.fromkeys(CROPS, (64, 64))
    if "hourglass" in name:
        # With all four halvings the waist is one cell, and batch norm over a pair of values is meaningless.
        options["model.backbone.depth"] = 3
    if "pretrained" in name:
        # The file is the user's to bring.
        options["model.backbone.pretrained"] = False
    return options


def batch_of(num_keypoints: int, size_hw: tuple[int, int], count: int = 2) -> Sample:
    """Crops of noise with keypoints inside them."""
    rng = np.random.default_rng(0)
    height, width = size_hw
    points = rng.uniform(0.2, 0.8, (count, num_keypoints, 2)) * (width, height)
    return Sample(
        image=torch.from_numpy(rng.integers(0, 256, (count, 3, height, width), dtype=np.uint8)),
        keypoints=torch.from_numpy(points.astype(np.float32)),
        weight=torch.ones(count, num_keypoints),
        warp=torch.eye(2, 3, dtype=torch.float64).repeat(count, 1, 1),
        box_xyxy=torch.tensor([[0.0, 0.0, width, height]] * count),
        box_score=torch.ones(count),
        image_id=torch.arange(count),
        person_id=torch.arange(count),
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_config_builds_and_takes_a_step(name):
    """At full width on small crops, with its own loss, codec and optimiser."""
    torch.manual_seed(0)
    cfg = load_config(ROOT / name, small(name))
    model = MODELS.build(cfg.model)
    optimiser = build_optim_wrapper(model, cfg.optim_wrapper)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    logged = model.train_step(batch_of(model.skeleton.num_keypoints, (64, 64)), optimiser)
    assert torch.isfinite(logged["loss"])
    assert logged["loss"] > 0
    changed = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    # Biases in front of a batch norm have no gradient but rounding's; everything else must learn.
    assert np.mean(changed) > 0.9
    model.eval()
    with torch.no_grad():
        (pose,) = model(*batch_of(model.skeleton.num_keypoints, (64, 64), count=1), mode="predict")
    assert pose.keypoints.shape == (model.skeleton.num_keypoints, 2)
    assert np.isfinite(pose.keypoints).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_parts_agree_with_each_other(name):
    cfg = load_config(ROOT / name)
    datasets = [cfg[f"{stage}_dataloader"]["dataset"] for stage in ("train", "val", "test")]
    assert all(dataset["skeleton"] == cfg.skeleton for dataset in datasets)
    assert all(dataset["source"]["data_root"] == cfg.data_root for dataset in datasets)
    assert len({(tuple(d["crop"]["input_size_hw"]), d["crop"].get("aspect")) for d in datasets}) == 1
    assert all(dataset.get("augment") is None for dataset in datasets[1:])
    assert cfg.train_dataloader["sampler"]["shuffle"]
    assert not cfg.val_dataloader["sampler"]["shuffle"]
    for stage in ("val", "test"):
        for evaluator in cfg[f"{stage}_evaluator"]:
            METRICS.build(evaluator)
    last = max(m for s in cfg.param_scheduler for m in s.get("milestones", [0]))
    assert last < cfg.train_cfg["max_epochs"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_docstring_says_what_to_expect_and_how_to_run_it(name):
    module = ast.parse((ROOT / name).read_text("utf-8"))
    text = ast.get_docstring(module) or ""
    assert "Expected: " in text
    assert "Cost: " in text
    assert f"python tools/train.py configs/{name}" in text
    statements = [node for node in module.body if isinstance(node, (ast.Assign, ast.Expr, ast.For))]
    assert len(statements) <= 6, "a child states only its difference"


def test_data_root_serves_every_part():
    cfg = load_config(ROOT / "hrnet/hrnet_w32_coco_256x192.py", {"data_root": "/elsewhere"})
    for stage in ("train", "val", "test"):
        assert cfg[f"{stage}_dataloader"]["dataset"]["source"]["data_root"] == "/elsewhere"


# --- the recipes ----------------------------------------------------------------------------------------


def learning_rates(cfg) -> np.ndarray:
    """The learning rate of every epoch, by mmengine's own schedulers (those by epoch)."""
    optimiser = build_optim_wrapper(nn.Linear(1, 1), cfg.optim_wrapper)
    schedulers = [PARAM_SCHEDULERS.build({**s, "optimizer": optimiser}) for s in cfg.param_scheduler]
    rates = []
    for _ in range(cfg.train_cfg["max_epochs"]):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        for scheduler in schedulers:
            scheduler.step()
    return np.array(rates)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name.startswith("paper/")])
def test_paper_recipe(name):
    cfg = load_config(ROOT / name)
    expected = [1e-6] * 10 + [1e-3] * 90 + [1e-5] * 50 + [1e-6] * 50
    np.testing.assert_allclose(learning_rates(cfg), expected, rtol=1e-9)
    assert cfg.optim_wrapper["optimizer"]["type"] is torch.optim.Adam
    dataset = cfg.train_dataloader["dataset"]
    # Height : width = 4 : 3, stretched to a square.
    assert dataset["crop"]["aspect"] == 0.75
    assert tuple(dataset["crop"]["input_size_hw"]) == (256, 256)
    augment = dict(dataset["augment"])
    assert augment.pop("type") is Augment
    # Nothing else, such as the release's half bodies, may come down from the base.
    assert augment == {"flip_prob": 0.5, "rotation": 30, "scale": (0.65, 1.35), "sampling": "uniform"}
    codec = cfg.model["head"]["codec"]
    assert (codec["sigma"], codec["radius"]) == (6 if "sigma6" in name else 2, 6)
    loss = dict(cfg.model["head"]["loss"])
    assert loss == (
        {"type": FocalMSELoss, "gamma": 1, "delta": 1e-3} if "focal" in name else {"type": MSELoss}
    )
    if "hourglass" in name:
        assert cfg.model["backbone"]["stacks"] == 8


@pytest.mark.parametrize(
    ("name", "size_hw", "sigma", "variant"),
    [
        ("hrnet_w32_mpii_256x256", (256, 256), 2, "w32"),
        ("hrnet_w48_mpii_256x256", (256, 256), 2, "w48"),
        ("hrnet_w32_coco_256x192", (256, 192), 2, "w32"),
        ("hrnet_w48_coco_256x192", (256, 192), 2, "w48"),
        ("hrnet_w32_coco_384x288", (384, 288), 3, "w32"),
        ("hrnet_w48_coco_384x288", (384, 288), 3, "w48"),
    ],
)
def test_hrnet_release_recipe(name, size_hw, sigma, variant):
    cfg = load_config(ROOT / "hrnet" / f"{name}.py")
    np.testing.assert_allclose(learning_rates(cfg), [1e-3] * 170 + [1e-4] * 30 + [1e-5] * 10, rtol=1e-9)
    assert cfg.train_dataloader["batch_size"] == 32
    dataset = cfg.train_dataloader["dataset"]
    assert tuple(dataset["crop"]["input_size_hw"]) == size_hw
    assert dataset["crop"].get("aspect") is None
    wanted = {"flip_prob": 0.5, "rotation_prob": 0.6, "sampling": "clipped_normal"}
    if "coco" in name:
        wanted |= {"rotation": 45, "scale": 0.35, "half_body_prob": 0.3, "half_body_min_keypoints": 8}
    else:
        wanted |= {"rotation": 30, "scale": 0.25}
        assert "half_body_prob" not in dataset["augment"]
    assert wanted.items() <= dict(dataset["augment"]).items()
    codec = MODELS.build(cfg.model["head"]["codec"])
    assert (codec.sigma, codec.alignment, codec.radius) == (sigma, "strided", None)
    assert cfg.model["head"]["loss"]["type"] is JointsMSELoss
    assert cfg.model["backbone"]["variant"] == variant
    metric = METRICS.build(cfg.test_evaluator[0])
    assert isinstance(metric, OKSMetric if "coco" in name else PCKhMetric)
    if "coco" in name:
        assert metric.nms_threshold == 0.9
        assert cfg.test_dataloader["dataset"]["source"]["detections"].endswith("AP_H_56_person.json")
        assert cfg.val_dataloader["dataset"]["source"].get("detections") is None


@pytest.mark.parametrize("depth", [50, 101, 152])
@pytest.mark.parametrize(
    ("data", "rotation", "scale"), [("coco_256x192", 40, 0.3), ("mpii_256x256", 30, 0.25)]
)
def test_simple_baseline_release_recipe(depth, data, rotation, scale):
    cfg = load_config(ROOT / f"simple_baseline/simplebaseline_r{depth}_{data}.py")
    np.testing.assert_allclose(learning_rates(cfg), [1e-3] * 90 + [1e-4] * 30 + [1e-5] * 20, rtol=1e-9)
    assert cfg.optim_wrapper["optimizer"] == {"type": torch.optim.Adam, "lr": 1e-3}
    assert cfg.train_dataloader["batch_size"] == 32
    augment = dict(cfg.train_dataloader["dataset"]["augment"])
    assert augment.pop("type") is Augment
    assert augment == {
        "flip_prob": 0.5,
        "rotation": rotation,
        "rotation_prob": 0.6,
        "scale": scale,
        "sampling": "clipped_normal",
    }
    assert cfg.model["backbone"]["depth"] == depth
    assert cfg.model["channel_order"] == "bgr"
    assert cfg.model["head"]["loss"]["type"] is JointsMSELoss
    codec = MODELS.build(cfg.model["head"]["codec"])
    assert (codec.sigma, codec.alignment, codec.radius) == (2, "strided", None)


def test_hourglass_release_recipe():
    cfg = load_config(ROOT / "hourglass/hourglass_s2_mpii_256x256.py")
    np.testing.assert_allclose(learning_rates(cfg), [2.5e-4] * 60 + [2.5e-5] * 30 + [2.5e-6] * 10, rtol=1e-9)
    assert cfg.optim_wrapper["optimizer"]["type"] is torch.optim.RMSprop
    assert cfg.train_dataloader["batch_size"] == 6
    codec = MODELS.build(cfg.model["head"]["codec"])
    assert (codec.sigma, codec.radius) == (1, None)
    for stacks in (1, 8):
        cfg = load_config(ROOT / f"hourglass/hourglass_s{stacks}_mpii_256x256.py")
        assert cfg.model["backbone"]["stacks"] == stacks


@pytest.mark.parametrize("name", [n for n in CONFIGS if n.endswith(("_focal.py", "_focal_gt_boxes.py"))])
def test_focal_child_differs_from_its_mse_parent_by_the_loss_alone(name):
    focal, mse = (load_config(ROOT / n).to_dict() for n in (name, name.replace("_focal", "_mse")))
    assert focal["model"]["head"].pop("loss") == {"type": FocalMSELoss, "gamma": 1, "delta": 1e-3}
    assert mse["model"]["head"].pop("loss") == {"type": MSELoss}
    assert focal == mse


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("hrnet/hrnet_w32_coco_256x192", 28_536_113),
        ("hrnet/hrnet_w48_coco_384x288", 63_595_745),
        ("hourglass/hourglass_s1_mpii_256x256", 3_586_960),
        ("hourglass/hourglass_s2_mpii_256x256", 6_730_912),
        ("hourglass/hourglass_s8_mpii_256x256", 25_594_624),
        ("paper/hourglass_s8_mpii_focal", 25_594_624),
    ],
)
def test_networks_have_the_published_number_of_parameters(name, parameters):
    cfg = load_config(ROOT / f"{name}.py")
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_checkpoint_is_chosen_by_the_headline_score_of_the_data_set():
    scores = {
        "hrnet/hrnet_w32_coco_256x192": (OKSMetric, "AP"),
        "paper/hourglass_s8_mpii_mse": (PCKhMetric, "PCKh@0.5/mean_weighted"),
        "lsp/hrnet_tiny_lsp_128x128_mse": (PCKMetric, "PCK@0.2/mean12"),
        "custom/custom_keypoints": (PCKMetric, "PCK@0.2/mean"),
    }
    for name, (metric, score) in scores.items():
        cfg = load_config(ROOT / f"{name}.py")
        assert cfg.val_evaluator[0]["type"] is metric
        assert cfg.default_hooks["checkpoint"]["save_best"] == score


# --- on real files --------------------------------------------------------------------------------------


def test_lsp_configs_split_the_real_file():
    root = Path(reference.path("data/lsp_extended/train.json")).parent
    cfg = load_config(ROOT / "lsp/hrnet_tiny_lsp_128x128_mse.py", {"data_root": str(root)})
    sizes = [len(DATASETS.build(cfg[f"{stage}_dataloader"]["dataset"])) for stage in ("train", "val", "test")]
    assert sizes[1:] == [500, 500]
    assert sizes[0] > 5000


def test_coco_config_reads_the_real_files():
    root = Path(reference.path("data/coco/annotations/person_keypoints_val2017.json")).parents[1]
    cfg = load_config(ROOT / "hrnet/hrnet_w32_coco_256x192.py", {"data_root": str(root)})
    train, _, test = (DATASETS.build(cfg[f"{s}_dataloader"]["dataset"]) for s in ("train", "val", "test"))
    assert train[0].image.shape == (3, 256, 192)
    assert train.metainfo["box_source"] == "ground truth"
    assert "AP_H_56" in test.metainfo["box_source"]
