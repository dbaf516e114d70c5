"""A sweep's plan: what the cells share is proved to be shared, and an old sweep goes on with the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import toy_people
import toy_pose_config
from fake_cells import PLAN
from toy_sweep import write_swept

from posekit.engine.configs.config import load_config, parse_options
from posekit.errors import ConfigError, DataError
from posekit.study.cells import make_cell, plan_cells, stated_cell
from posekit.study.plan import changed_code, join_plans, read_plan, write_plan
from posekit.study.prepare import added_hooks, check_cell, make_plan, read_losses, shared_text

ROOT = Path(__file__).resolve().parents[2]
CELLS = plan_cells([0, 1, 2], [1e-3], ["focal", "focal-norm"], [0, 1])


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write_swept(tmp_path_factory.mktemp("plan"))


def test_a_plan_holds_what_the_cells_share(config):
    plan = make_plan(str(config), ["model.width=3"], CELLS)
    assert plan.cells == [cell.name for cell in CELLS]
    assert (plan.max_epochs, plan.score, plan.reduction) == (3, "toy/accuracy", None)
    assert "width=3" in plan.shared
    assert "Loss" not in plan.shared
    assert "gamma" not in plan.shared.replace("ExponentialLR, gamma=0.9", "")
    assert "seed" not in plan.shared
    assert plan.notes == ["gamma 0 is plain MSE (MSELoss), whatever the form and delta: one cell a seed"]
    assert plan.people["kind"] == "same"
    assert plan.people["sentence"] == (
        "each cell's checkpoint is chosen on the validation people; the test people are the validation "
        "people, so that test scores are flattered by the choice"
    )


def test_loss_and_seed_do_not_touch_the_fingerprint_and_all_else_does(config):
    plan = make_plan(str(config), [], CELLS)
    again = make_plan(str(config), [], plan_cells([3], [0.1], ["focal-max"], [7]))
    assert again.fingerprint == plan.fingerprint
    for option in ("model.width=3", "train_cfg.max_epochs=4", "optim_wrapper.optimizer.lr=0.02"):
        assert make_plan(str(config), [option], CELLS).fingerprint != plan.fingerprint


def test_the_configs_own_reduction_is_kept(tmp_path):
    own = 'model["head"]["loss"].update(reduction="sum_over_batch")\n'
    plan = make_plan(str(write_swept(tmp_path, own)), [], CELLS)
    assert plan.reduction == "sum_over_batch"
    for cell in CELLS:
        loss = load_config(plan.config, parse_options(plan.words(cell))).model.head.loss
        assert loss["reduction"] == "sum_over_batch"


def test_no_best_checkpoint_is_noted(tmp_path):
    plan = make_plan(
        str(write_swept(tmp_path)), ["default_hooks.checkpoint.save_best=None"], [make_cell("focal", 1, 1, 0)]
    )
    assert plan.people["sentence"] == (
        "the config keeps no best checkpoint ('save_best'): the last one is tested; the test people are the "
        "validation people"
    )
    assert plan.score is None


@pytest.mark.parametrize(
    "name",
    [
        *(
            "hrnet/hrnet_w32_coco_256x192",
            "crowdpose/hrnet_w32_crowdpose_256x192",
            "paper/hrnet_w32_coco_mse",
        ),
        *("custom/custom_keypoints", "hourglass/hourglass_s1_mpii_256x256", "quickstart/people_mpii"),
    ],
)
def test_of_most_sets_the_test_people_are_the_validation_people(name):
    """COCO's and CrowdPose's configs test on detections, so that the data sets' settings differ."""
    plan = make_plan(str(ROOT / "configs" / f"{name}.py"), [], CELLS[:1])
    assert plan.people["kind"] == "same"
    assert "test scores are flattered by the choice" in plan.people["sentence"]


TEST_SET = """
data_root = {root!r}
test_dataloader = dict(val_dataloader, dataset=dict(_dataset, {test}))
val_dataloader["dataset"] = dict(_dataset, subset=[0])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best="AP"))
"""


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (
            "subset=None",
            "1 of the 2 test people is among the validation people, so that test scores are flatt",
        ),
        ("subset=[0]", "the test people are the validation people, so that test scores are flattered by the"),
        ("subset=[1]", "none of the test people is among the validation people; they are scored once"),
        ("source=dict(type=load_coco, ann_file='none.json', image_dir='')", "whether test people are among"),
    ],
)
def test_people_of_parts_of_a_file_and_of_another(tmp_path, test, said):
    path = toy_pose_config.write_config(tmp_path, codec="UDPCodec")
    toy_people.write_coco(tmp_path)
    path.write_text(path.read_text() + TEST_SET.format(root=str(tmp_path), test=test))
    sentence = make_plan(str(path), [], CELLS[:1]).people["sentence"]
    assert sentence.startswith(f"each cell's checkpoint is chosen on the validation people; {said}")


def test_foreground_and_validation_loss_are_added_to_heatmap_heads(config):
    from posekit.models.heads import HeatmapHead

    base = load_config(config)
    assert added_hooks(base) == []
    base.model.head.type = HeatmapHead
    assert added_hooks(base) == ["foreground", "val_loss"]
    base.default_hooks.foreground = None
    assert added_hooks(base) == ["val_loss"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", ["model.head.loss.gamma=3"], "model.head.loss.gamma: the sweep sets it, cell by cell"),
        ("", ["randomness.seed=3"], "randomness.seed: the sweep sets it"),
        ("", ["work_dir=x"], "work_dir: the sweep sets it"),
        ("", ["train_cgf.max_epochs=1"], "did you mean 'train_cfg'"),
        ("", ["default_hooks.focal_schedule={'gamma': (1, 0)}"], "focal_schedule: the sweep sets it"),
        ("default_hooks.update(focal_schedule=dict(gamma=(1, 0)))\n", [], "default_hooks.focal_schedule"),
        ('del model["head"]["loss"]\n', [], "there is no 'model.head.loss'"),
        ('del model["head"]\n', [], "there is no 'model.head.loss'"),
        ("del test_dataloader, test_evaluator\n", [], "test_cfg is missing"),
    ],
)
def test_configs_that_cannot_be_swept(tmp_path, text, options, message):
    with pytest.raises(ConfigError) as caught:
        make_plan(str(write_swept(tmp_path, text)), options, CELLS)
    assert message in str(caught.value)


def test_a_cell_trained_with_something_else_is_caught(config):
    plan = make_plan(str(config), [], CELLS)
    cell = CELLS[1]
    right = load_config(config, parse_options(plan.words(cell)))
    check_cell(plan, cell, right, "its config")
    wider = load_config(config, parse_options([*plan.words(cell), "model.width=9"]))
    with pytest.raises(ConfigError) as caught:
        check_cell(plan, cell, wider, "the dumped config")
    assert f"cell {cell.name}: the dumped config differs" in str(caught.value)
    assert "width=9" in str(caught.value)
    with pytest.raises(ConfigError, match=r"expected .*'gamma': 2\.0"):
        check_cell(plan, make_cell("focal", 2, 1e-3, 0), right, "the dumped config")


AWING = {"type": "AdaptiveWingLoss", "omega": 10.0}


def test_losses_are_stated_by_values_or_by_a_config(tmp_path):
    other = write_swept(tmp_path, 'model["head"]["loss"].update(gamma=3, delta=0.5)\n', "other.py")
    found = read_losses(
        [
            'awing={"type": "AdaptiveWingLoss", "omega": 10.0}',
            "again={'type': 'AdaptiveWingLoss', 'omega': 10.0}",
            'flag={"type": "OHKMMSELoss", "use_weight": false, "topk": 1}',
            "nested={'type': 'LabelAndOffsetLoss', 'label_loss': {'type': 'MSELoss'}}",
            f"other={other}",
        ]
    )
    assert found["awing"] == found["again"] == AWING
    assert found["flag"] == {"type": "OHKMMSELoss", "use_weight": False, "topk": 1}
    assert found["other"] == {"type": "posekit.models.focal_losses.FocalMSELoss", "gamma": 3, "delta": 0.5}
    cells = [stated_cell(name, 0) for name in found]
    plan = make_plan(str(write_swept(tmp_path)), [], cells, found)
    for cell in cells:
        check_cell(plan, cell, load_config(plan.config, parse_options(plan.words(cell))), "its config")
    assert plan.fingerprint == make_plan(plan.config, [], CELLS).fingerprint


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["awing"],
            "--losses awing: expected a config file (.py) or plain values with a 'type', such as awing='{",
        ),
        (["awing={'omega': 3}"], "plain values with a 'type'"),
        (["awing=dict(type=AdaptiveWingLoss)"], "plain values with a 'type'"),
        (["awing={'type': 'AdaptiveWingLoss', 'omega': 1e999}"], "plain values with a 'type'"),
        (["awing={'type': print('x')}"], "plain values with a 'type'"),
        (["awing=none.py"], "config none.py: no such file"),
        (["a={'type': 'MSELoss'}", "a={'type': 'MSELoss'}"], "--losses: a stands there twice"),
        (["focal={'type': 'MSELoss'}"], "loss 'focal': expected a name of letters"),
        (["a_b={'type': 'MSELoss'}"], "loss 'a_b': expected a name of letters"),
        (["../a={'type': 'MSELoss'}"], "loss '../a': expected a name of letters"),
    ],
)
def test_losses_that_are_none(words, message, capsys):
    with pytest.raises(ConfigError) as caught:
        read_losses(words)
    assert message in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ({}, "cell awing_s0: expected a loss of --losses or one of focal,"),
        ({"awing": {"type": "AdaptivWingLoss"}}, "did you mean 'AdaptiveWingLoss'"),
        ({"awing": {"type": "AdaptiveWingLoss", "omge": 1}}, "did you mean 'omega'"),
        ({"awing": {"type": "UDPOffsetLoss"}}, "the loss needs offset maps, the codec has none"),
        ({"awing": {"type": "OHKMMSELoss"}}, "the loss keeps 8 keypoints, there are 3"),
        ({"awing": {"type": "torch.nn.MSELoss"}}, "default_hooks.foreground=None"),
    ],
)
def test_losses_that_cannot_be_trained_are_told_beforehand(tmp_path, losses, message):
    path = toy_pose_config.write_config(tmp_path, codec="UDPCodec")
    path.write_text(f"{path.read_text()}test_dataloader = val_dataloader\ntest_evaluator = val_evaluator\n")
    with pytest.raises(ConfigError) as caught:
        make_plan(str(path), [], [stated_cell("awing", 0)], losses)
    assert message in str(caught.value)


def test_a_stated_loss_trained_with_other_values_is_caught(config):
    cell = stated_cell("awing", 0)
    plan = make_plan(str(config), [], [cell], {"awing": AWING})
    other = load_config(config, {"model.head.loss": {**AWING, "omega": 11.0}})
    with pytest.raises(ConfigError, match=r"cell awing_s0: the dump has .*11\.0.*, expected .*10\.0"):
        check_cell(plan, cell, other, "the dump")


def test_a_sweep_that_goes_on_keeps_its_losses(tmp_path):
    old = dataclasses.replace(PLAN, cells=["mse_s0", "awing_s0"], losses={"awing": AWING})
    new = dataclasses.replace(PLAN, cells=["b_s0"], losses={"b": {"type": "MSELoss"}})
    joined = join_plans(old, new, tmp_path)
    assert joined.losses == {"awing": AWING, "b": {"type": "MSELoss"}}
    write_plan(joined, tmp_path)
    assert read_plan(tmp_path) == joined
    with pytest.raises(ConfigError, match=r"the loss awing: .*10\.0.* before, .*11\.0.* now"):
        join_plans(old, dataclasses.replace(new, losses={"awing": {**AWING, "omega": 11.0}}), tmp_path)
    write_plan(dataclasses.replace(joined, losses={"b": {}}), tmp_path)
    with pytest.raises(
        DataError, match=r"plan\.json: is not the plan of a sweep \(cell awing_s0: expected a loss"
    ):
        read_plan(tmp_path)


def test_a_dumped_config_says_the_same_as_the_one_it_was_dumped_from(config, tmp_path):
    plan = make_plan(str(config), [], CELLS)
    cfg = load_config(config, parse_options(plan.words(CELLS[-1])))
    (tmp_path / "swept.py").write_text(cfg.pretty_text)
    assert shared_text(load_config(tmp_path / "swept.py")) == plan.shared
    check_cell(plan, CELLS[-1], load_config(tmp_path / "swept.py"), "the dumped config")


def test_files_are_known_by_their_contents(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "train.json").write_text("[1]")
    (tmp_path / "net.pth").write_text("weights")
    text = f'data_root = {str(tmp_path)!r}\ntrain_dataloader["dataset"].update(faulty=["sub/train.json"])\n'
    config = write_swept(tmp_path, text + f'model["skeleton"] = {str(tmp_path / "net.pth")!r}\n')
    plan = make_plan(str(config), [], CELLS)
    names = {str(tmp_path / "sub" / "train.json"), str(tmp_path / "net.pth")}
    assert set(plan.files) == names
    (tmp_path / "sub" / "train.json").write_text("[2]")
    with pytest.raises(ConfigError) as caught:
        join_plans(plan, make_plan(str(config), [], CELLS), tmp_path)
    assert f"the file {tmp_path / 'sub' / 'train.json'} changed" in str(caught.value)
    assert "net.pth" not in str(caught.value)


def test_a_sweep_goes_on_with_the_same_and_more_cells(tmp_path):
    old = dataclasses.replace(PLAN, cells=["mse_s0", "mse_s1"], started="then", notes=["an old word"])
    found = {"kind": "disjoint", "sentence": "said"}
    new = dataclasses.replace(PLAN, cells=["mse_s1", "focal_g1_d0.1_s0"], started="now", people=found)
    joined = join_plans(old, new, tmp_path)
    assert joined.cells == ["mse_s0", "mse_s1", "focal_g1_d0.1_s0"]
    assert (joined.started, joined.notes, joined.people) == ("then", [], found)
    write_plan(joined, tmp_path)
    assert read_plan(tmp_path) == joined


def test_a_sweep_that_goes_on_with_something_else_is_told_what_differs(tmp_path):
    old = dataclasses.replace(PLAN, shared="a = 1\nlr = 2\n", fingerprint="x")
    new = dataclasses.replace(PLAN, shared="a = 1\nlr = 3\n", fingerprint="y", processes_per_cell=2)
    with pytest.raises(ConfigError) as caught:
        join_plans(old, new, tmp_path)
    message = str(caught.value)
    assert f"{tmp_path}: holds a sweep that began with something else" in message
    assert "-lr = 2" in message
    assert "+lr = 3" in message
    assert "processes_per_cell: 1 before, 2 now" in message


def test_changed_code_is_told_and_not_refused():
    old = dataclasses.replace(PLAN, posekit={"version": "1", "git": {"commit": "a" * 40, "dirty": False}})
    new = dataclasses.replace(PLAN, posekit={"version": "1", "git": {"commit": "b" * 40, "dirty": True}})
    assert changed_code(old, old) is None
    assert "1 aaaaaaaaaa then, 1 bbbbbbbbbb with changes now" in changed_code(old, new)


@pytest.mark.parametrize("text", ["{}", "[]", '{"config": 1}', "nonsense"])
def test_a_damaged_plan_is_told(tmp_path, text):
    assert read_plan(tmp_path) is None
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(DataError, match=r"plan\.json"):
        read_plan(tmp_path)
