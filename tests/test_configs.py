"""Every config loads, says what it is, builds its network and takes a step."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import reference
import torch
from mmengine.optim import build_optim_wrapper

from posekit.engine.configs.config import load_config
from posekit.engine.schedules import Length, fit_schedules
from posekit.models.losses import FocalMSELoss, MSELoss
from posekit.models.pretrained import starting_later
from posekit.registry import DATASETS, MODELS
from posekit.structures import Sample

ROOT = reference.ROOT / "configs"
# Detectors and embeddings have no heatmaps: tests/detection, tests/recognition.
CONFIGS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in ROOT.rglob("*.py")
    if not {"_base_", "detector", "recognition"} & set(path.relative_to(ROOT).parts)
)
PUBLISHED = [
    name
    for name in CONFIGS
    if name.split("/")[0] in ("paper", "hrnet", "simple_baseline", "hourglass", "lsp", "vitpose")
]
CROPS = [f"{stage}_dataloader.dataset.crop.input_size_hw" for stage in ("train", "val", "test")]


def small(name: str) -> dict:
    """Overrides for a step within a second."""
    # Of a mixture each part states its crops, which no step here sees.
    side = 40 if "tcdcn" in name else 64  # the one size that the multi-task network takes
    options: dict = dict.fromkeys(CROPS[1:] if name.startswith("everyday") else CROPS, (side, side))
    if "simcc" in name:
        options |= {"model.head.input_size_hw": (64, 64), "model.head.map_size_hw": (8, 8)}
    if "vitpose" in name:
        options["model.backbone.input_size_hw"] = (64, 64)
    if name.startswith("vitpose/"):
        options["model.backbone.options"] = {"depth": 2}  # of up to 32 blocks with 637 M weights
    if "hourglass" in name:
        # With all four halvings the waist is one cell, and batch norm over a pair of values is meaningless.
        options["model.backbone.depth"] = 3
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
        extra={name: torch.ones(count, dtype=torch.int64) for name in ("gender", "smile", "glasses", "pose")},
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_config_builds_and_takes_a_step(name):
    """At full width on small crops, with its own loss, codec and optimiser."""
    cfg = load_config(ROOT / name, small(name))
    stated = repr((cfg.model, cfg.optim_wrapper))
    if stated not in STEPPED:  # configs that differ in their data alone take the same step
        builds_and_takes_a_step(
            cfg, cfg.train_dataloader["dataset"].get("crop", {}).get("input_size_hw", (64, 64))
        )
        STEPPED.add(stated)


STEPPED: set[str] = set()


def builds_and_takes_a_step(cfg, size_hw):
    torch.manual_seed(0)
    with starting_later():  # a recipe's published weights are not here
        model = MODELS.build(cfg.model)
    optimiser = build_optim_wrapper(model, cfg.optim_wrapper)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    before = [parameter.detach().clone() for parameter in learning]
    batch, single = (batch_of(model.skeleton.num_keypoints, size_hw, count) for count in (2, 1))
    if model.whole_pictures:  # with one person each
        batch = batch._replace(keypoints=batch.keypoints[:, None], weight=batch.weight[:, None])
    logged = model.train_step(batch, optimiser)
    assert torch.isfinite(logged["loss"])
    assert logged["loss"] > 0
    changed = [not torch.equal(a, b) for a, b in zip(before, learning, strict=True)]
    off = [head for head, weight in getattr(model.head, "weights", {}).items() if not weight]
    for changes, (parameter, _) in zip(changed, model.named_parameters(), strict=False):
        assert not (changes and parameter.startswith(tuple(f"head.heads.{head}." for head in off)))
    share = 0.5 if off else 0.9
    # Biases in front of a batch norm have no gradient but rounding's; everything else must learn.
    assert np.mean(changed) > share
    model.eval()
    with torch.no_grad():
        (pose,) = model(*single, mode="predict")
    if model.whole_pictures:
        assert isinstance(pose, list)  # of whom it takes for people, and it knows nobody yet
        return
    assert pose.keypoints.shape == (model.skeleton.num_keypoints, 2)
    assert np.isfinite(pose.keypoints).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_parts_agree_with_each_other(name):
    cfg = load_config(ROOT / name)
    datasets = [cfg[f"{stage}_dataloader"]["dataset"] for stage in ("train", "val", "test")]
    datasets = [part for one in datasets for part in (one.get("datasets") or {"": one}).values()]
    assert all(dataset["skeleton"] == cfg.skeleton for dataset in datasets)
    assert all(dataset["source"]["data_root"] == cfg.data_root for dataset in datasets)
    assert cfg.randomness == {"seed": 0, "deterministic": False}
    # The schedule fits the training, and a shorter or longer one without another change.
    for epochs in (cfg.train_cfg["max_epochs"], 20, 300):
        fit_schedules(cfg.param_scheduler, Length(epochs))


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


# --- recipes, whose numbers are in recipes.py ---------------------------------------------------------


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
