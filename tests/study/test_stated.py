"""Losses by name, grids of them and variants, and what a sweep of coordinates plans of them."""

from __future__ import annotations

import json

import pytest
from toy_training import ROOT, run

from posekit.errors import ConfigError, DataError
from posekit.study.cells import stated_cell, stated_cells
from posekit.study.plan import join_plans, read_plan, write_plan
from posekit.study.prepare import make_plan
from posekit.study.stated import read_losses, read_variants

FACES = str(ROOT / "configs" / "faces" / "cnn6_300w_64x64_wing.py")
L2 = {"type": "L2Loss"}
SLOW = {"options": {"param_scheduler.0.eta_max": 1e-4, "model.head.loss": L2}}


def written(path, value):
    path.write_text(json.dumps(value))
    return str(path)


def test_a_grid_is_one_loss_for_each_combination(tmp_path):
    grid = {"type": "WingLoss", "grid": {"omega": [5, 10], "epsilon": [0.5, 2]}}
    file = written(tmp_path / "losses.json", {"l2": L2, "wing": grid})
    losses = read_losses([file, 'own={"type": "L1Loss"}'])
    assert losses == {
        "l2": L2,
        "wing-omega5-epsilon0.5": {"type": "WingLoss", "omega": 5, "epsilon": 0.5},
        "wing-omega5-epsilon2": {"type": "WingLoss", "omega": 5, "epsilon": 2},
        "wing-omega10-epsilon0.5": {"type": "WingLoss", "omega": 10, "epsilon": 0.5},
        "wing-omega10-epsilon2": {"type": "WingLoss", "omega": 10, "epsilon": 2},
        "own": {"type": "L1Loss"},
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"wing": {"type": "WingLoss", "grid": {"omega": 5}}},
            "--losses wing: 'grid': expected an object of",
        ),
        ({"wing": {"type": "WingLoss", "grid": {}}}, "--losses wing: 'grid': expected"),
        ({"a_b": L2}, "loss 'a_b': expected a name"),
        ({"l2": 3}, "--losses l2: expected a config file"),
        ({"l2": L2, "mse": L2}, "loss 'mse'"),
    ],
)
def test_faulty_losses_are_refused_by_name(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message):
        read_losses([written(tmp_path / "losses.json", content)])


def test_a_name_stands_once(tmp_path):
    file = written(tmp_path / "losses.json", {"l2": L2})
    with pytest.raises(ConfigError, match="--losses: l2 stands there twice"):
        read_losses([file, 'l2={"type": "L2Loss"}'])
    with pytest.raises(ConfigError, match=r"none\.json"):
        read_losses([str(tmp_path / "none.json")])


def test_variants_have_a_config_options_or_both(tmp_path):
    file = written(tmp_path / "v.json", {"slow": SLOW, "other": "b.py", "both": {"config": "c.py", **SLOW}})
    own = ["param_scheduler.0.eta_max=0.0001", "model.head.loss={'type': 'L2Loss'}"]
    assert read_variants([file, "d=d.py"], "a.py", ["x=1"]) == {
        "slow": ("a.py", ["x=1", *own]),
        "other": ("b.py", ["x=1"]),
        "both": ("c.py", ["x=1", *own]),
        "d": ("d.py", ["x=1"]),
    }
    for wrong in ({"confg": "a.py"}, {"options": [1]}, "a.txt", 3):
        with pytest.raises(ConfigError, match="--variants v: expected a config file"):
            read_variants([written(tmp_path / "w.json", {"v": wrong})], "a.py", [])


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    file = written(tmp_path_factory.mktemp("variants") / "v.json", {"slow": SLOW})
    losses = read_losses(['l1={"type": "L1Loss"}'])
    variants = read_variants([file], FACES, [])
    return make_plan(FACES, [], stated_cells(["l1", "slow"], [0, 1]), losses, variants, "l1")


def test_a_plan_says_in_what_a_variant_differs(plan):
    assert plan.cells == ["l1_s0", "slow_s0", "l1_s1", "slow_s1"]
    assert (plan.base, plan.notes, plan.score) == ("l1", [], "NME/inter_ocular")
    slow = plan.variant(stated_cell("slow", 0))
    assert slow.differs == [
        "model.head.loss.epsilon: 2.0 -> none",
        "model.head.loss.omega: 10.0 -> none",
        "model.head.loss.type: WingLoss -> L2Loss",
        "param_scheduler.0.eta_max: 0.0003 -> 0.0001",
    ]
    assert plan.words(stated_cell("slow", 0)) == slow.options
    assert plan.words(stated_cell("l1", 0)) == ["model.head.loss={'type': 'L1Loss'}"]
    assert plan.config_of(stated_cell("slow", 0)) == plan.config_of(stated_cell("l1", 0)) == FACES


def test_a_plan_comes_back_and_goes_on_with_the_same_variants_alone(plan, tmp_path):
    write_plan(plan, tmp_path)
    again = read_plan(tmp_path)
    assert again == plan
    faster = {"slow": (FACES, ["param_scheduler.0.eta_max=0.01"])}
    other = make_plan(FACES, [], stated_cells(["l1", "slow"], [2]), plan.losses, faster, "l1")
    with pytest.raises(ConfigError, match=r"(?s)the variant slow:.*eta_max=0\.01"):
        join_plans(plan, other, tmp_path)
    stated = json.loads((tmp_path / "plan.json").read_text())
    del stated["variants"]["slow"]["differs"]
    (tmp_path / "plan.json").write_text(json.dumps(stated))
    with pytest.raises(DataError, match="is not the plan of a sweep"):
        read_plan(tmp_path)


def test_a_variant_with_other_scores_or_people_is_refused():
    cells = stated_cells(["v"], [0])
    for option, what in (
        ("test_evaluator.0.norm='inter_pupil'", "test_evaluator"),
        ("val_dataloader.dataset.subset.num_val=50", "val_dataloader.dataset"),
        ("default_hooks.checkpoint.save_best='auto'", "default_hooks.checkpoint.save_best"),
    ):
        with pytest.raises(ConfigError, match=rf"variant v: .*'{what}' is another than the sweep's"):
            make_plan(FACES, [], cells, {}, {"v": (FACES, [option])}, "v")


def test_a_variant_that_cannot_be_built_is_refused():
    wrong = {"v": (FACES, ["model.head.loss={'type': 'MSELoss'}"])}
    with pytest.raises(ConfigError, match=r"cell v_s0: .* takes a loss of coordinates"):
        make_plan(FACES, [], stated_cells(["v"], [0]), {}, wrong, "v")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--gammas", 0, 1], "--gammas: the head of"),
        ([], "there is no gamma to sweep; state what to compare: --losses, --variants"),
        (["--losses", 'l2={"type": "L2Loss"}', "--base", "l1"], "--base: expected one of l2, found l1"),
        (["--losses", 'l2={"type": "MSELoss"}'], "takes a loss of coordinates"),
        (
            ["--losses", 'l2={"type": "L2Loss"}', "--variants", f"l2={FACES}"],
            "--variants: l2 is one of --losses, too",
        ),
    ],
)
def test_what_makes_no_sense_for_coordinates_is_said(tmp_path, capsys, words, message):
    assert run("gamma_sweep", FACES, "--out", tmp_path / "out", "--devices", "cpu", *words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
