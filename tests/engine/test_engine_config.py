"""Configs: what is read, overridden, refused, handed down and written back."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import toy_training
from mmengine.hooks import CheckpointHook as TheirCheckpointHook
from toy_training import CONFIG, write_config

import posekit
from posekit.engine.configs.config import load_config, parse_options, prepare_config
from posekit.engine.configs.dump import config_text
from posekit.engine.configs.schema import arguments_of
from posekit.errors import ConfigError, did_you_mean
from posekit.io.bundled import WEIGHTS


def load(folder, text=CONFIG, **options):
    return load_config(write_config(folder, text), {k.replace("__", "."): v for k, v in options.items()})


def test_types_are_classes_and_helpers_are_dropped(tmp_path):
    cfg = load(tmp_path)
    assert cfg.model.type is toy_training.ToyModel
    assert cfg.train_dataloader.dataset.size == 24
    assert "_size" not in cfg
    assert "ToyModel" not in cfg
    assert cfg.randomness.seed == 0
    assert cfg.val_cfg == {}


def test_the_skeleton_is_handed_down_as_plain_values(tmp_path):
    cfg = load(tmp_path)
    expected = {"name": "toy", "keypoints": ["spot"]}
    assert cfg.model.skeleton == expected
    for stage in ("train", "val", "test"):
        assert cfg[f"{stage}_dataloader"].dataset.skeleton == expected


def test_a_section_keeps_a_skeleton_of_its_own(tmp_path):
    own = 'model["skeleton"] = dict(name="own", keypoints=["spot"])\n'
    cfg = load(tmp_path, CONFIG + own)
    assert cfg.model.skeleton.name == "own"
    assert cfg.train_dataloader.dataset.skeleton.name == "toy"


def test_wrong_skeletons_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="flip_pairs"):
        load(tmp_path, CONFIG + 'skeleton = dict(name="t", keypoints=["a"], flip_pairs=[["a", "b"]])\n')
    with pytest.raises(ConfigError, match="mpii17"):
        load(tmp_path, CONFIG + 'skeleton = "mpii17"\n')
    with pytest.raises(ConfigError, match=r"config .*toy\.py: skeleton 't': 'limbs' names \['b'\]"):
        load(tmp_path, CONFIG + 'skeleton = dict(name="t", keypoints=["a"], limbs=[["a", "b"]])\n')


def test_relative_bases(tmp_path):
    (tmp_path / "_base_").mkdir()
    write_config(tmp_path / "_base_", CONFIG, "toy.py")
    child = (
        "from mmengine.config import read_base\n"
        "with read_base():\n    from ._base_.toy import *\n"
        'model.update(width=5)\ntrain_dataloader["dataset"].update(size=7)\n'
    )
    cfg = load(tmp_path, child)
    assert cfg.model.width == 5
    assert cfg.train_dataloader.dataset.size == 7
    assert cfg.val_dataloader.dataset.size == 24


def test_a_config_knows_its_own_folder(tmp_path, monkeypatch):
    """So that it can name what lies beside it, whoever calls it from where."""
    path = write_config(tmp_path, CONFIG + '\ndata_root = __file__.rpartition("/")[0]\n')
    assert load_config(path).data_root == str(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load_config(path.name).data_root == str(tmp_path)


def test_weights_that_come_with_posekit_are_known_by_name(tmp_path, monkeypatch):
    path = write_config(tmp_path, CONFIG + '\nload_from = "mobilenetv2_lsp14_160x160"\n')
    cfg = load_config(path)
    assert cfg.load_from == str(WEIGHTS / "mobilenetv2_lsp14_160x160.safetensors")
    assert prepare_config(cfg).load_from == cfg.load_from
    for other in ("none_such", "../weights/mobilenetv2_lsp14_160x160"):
        assert load_config(path, {"load_from": other}).load_from == other
    monkeypatch.chdir(tmp_path)  # a file of the user's comes first
    (tmp_path / "mobilenetv2_lsp14_160x160").touch()
    assert load_config(path).load_from == "mobilenetv2_lsp14_160x160"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train_cgf = dict(max_epochs=2)", ["train_cgf", "did you mean 'train_cfg'"]),
        ("epochs = 3", ["unknown section 'epochs'", "underscore"]),
        ("model.update(widht=3)", ["'model'", "'widht' of ToyModel", "'width'"]),
        ('train_dataloader["batchsize"] = 3', ["'train_dataloader'", "'batchsize'", "'batch_size'"]),
        ("train_cfg.update(max_epoch=3)", ["'train_cfg'", "'max_epoch'", "'max_epochs'"]),
        ('optim_wrapper["optimizer"]["weight_deacy"] = 1', ["optim_wrapper.optimizer", "'weight_decay'"]),
        ("param_scheduler[0]['gama'] = 1", ["param_scheduler.0", "'gamma'"]),
        ("default_hooks['checkpont'] = dict()", ["default_hooks", "'checkpoint'"]),
        ("default_hooks['checkpoint']['save_bst'] = 'x'", ["default_hooks.checkpoint", "'save_best'"]),
        ("randomness = dict(sed=1)", ["'randomness'", "'seed'"]),
        ("val_evaluator[0]['thresholds'] = 1", ["val_evaluator.0", "'thresholds' of ToyMetric"]),
        ("del test_evaluator", ["'test_dataloader'", "test_evaluator"]),
        ("del model", ["no 'model'"]),
        ("val_dataloader.pop('dataset')", ["'val_dataloader' has no 'dataset'"]),
        ("x = 1 / 0", ["ZeroDivisionError"]),
        ("model = ToyModel(8)", ["line 22 calls what it imports", "dict(type=NAME, argument=...)"]),
        ("import torch\n_x = [\n    torch.zeros(3)]", ["line 24 calls what it imports"]),
        ("def f(:", ["SyntaxError"]),
        ("from toy_training import ToyModle\nmodel = dict(type=ToyModle)", ["ToyModle"]),
        ("model['type'] = 'ToyModel'", ["model.type", "no class is registered as 'ToyModel'"]),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path, line, words):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{CONFIG}\n{line}\n")
    for word in words:
        assert word in str(caught.value)
    assert "toy.py" in str(caught.value)


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "base.py").write_bytes(CONFIG.encode() + "# Größe\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"base\.py is not UTF-8: line 21 .* 0xf6.*save it as UTF-8"):
        load_config(tmp_path / "base.py")
    (tmp_path / "child.py").write_text(
        "from mmengine.config import read_base\nwith read_base():\n    from .base import *\n"
    )
    with pytest.raises(ConfigError, match=r"child\.py: .*base\.py is not UTF-8: line 21"):
        load_config(tmp_path / "child.py")


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.py: no such file"):
        load_config(tmp_path / "nothing.py")
    (tmp_path / "a.yaml").write_text("model: 1\n")
    with pytest.raises(ConfigError, match="expected a Python file"):
        load_config(tmp_path / "a.yaml")


def test_options_are_parsed_as_python_literals():
    words = ["a.b=1", "c=1e-3", "d=true", "e=None", "f=[1, 2]", "g=(3,4)", "h=Adam", "i=x=y", "j='1'"]
    values = [1, 1e-3, True, None, [1, 2], (3, 4), "Adam", "x=y", "1"]
    keys = ["a.b", "c", "d", "e", "f", "g", "h", "i", "j"]
    assert parse_options(words) == dict(zip(keys, values, strict=True))
    with pytest.raises(ConfigError, match="expected at most 30 dots, found 400"):
        parse_options(["a." * 400 + "b=1"])
    with pytest.raises(ConfigError, match="expected key=value, found 'lr'"):
        parse_options(["lr"])


def test_options_change_entries_and_resolve_names(tmp_path):
    cfg = load(
        tmp_path,
        model__width=3,
        optim_wrapper__optimizer__type="SGD",
        param_scheduler__0__end=9,
        train_cfg__val_interval=2,
        default_hooks__checkpoint__type="mmengine.hooks.CheckpointHook",
    )
    assert cfg.model.width == 3
    assert cfg.optim_wrapper.optimizer.type.__name__ == "SGD"
    assert cfg.param_scheduler[0].end == 9
    assert cfg.train_cfg.val_interval == 2
    assert cfg.default_hooks.checkpoint.type is TheirCheckpointHook


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("model.widht", 3, ["'widht'", "'width'"]),
        ("modle.width", 3, ["'modle'", "'model'"]),
        ("train_dataloader.batch_sise", 3, ["'batch_size'"]),
        ("model.width.more", 3, ["'model.width'"]),
        ("param_scheduler.4.end", 3, ["list of 1", "'4'"]),
        ("model.width", "wide", ["expected a number", "'wide'"]),
        ("optim_wrapper.optimizer.type", "Adma", ["'Adma'", "'Adam'"]),
        ("model.type", "no.such.Thing", ["no.such.Thing"]),
        ("skeleton", "coco18", ["coco18"]),
    ],
)
def test_mistakes_in_options_are_named(tmp_path, key, value, words):
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(tmp_path), {key: value})
    for word in words:
        assert word in str(caught.value)


def test_a_dump_reads_back_equal(tmp_path):
    cfg = load(tmp_path)
    again = load(tmp_path, cfg.pretty_text)
    assert again.to_dict() == cfg.to_dict()
    assert again.pretty_text == cfg.pretty_text


def test_a_dump_states_the_skeleton_once(tmp_path):
    text = load(tmp_path).pretty_text
    assert text.count("spot") == 1
    # ... so that changing it there changes it everywhere.
    cfg = load(tmp_path, text, skeleton={"name": "two", "keypoints": ["a", "b"]})
    assert cfg.model.skeleton.name == "two"
    assert cfg.val_dataloader.dataset.skeleton.name == "two"


def test_text_of_odd_values_and_equal_names():
    import torch.optim
    import torch.optim.adam

    class_like = type("Adam", (), {"__module__": "toy_training"})
    text = config_text(
        {
            "a": {"end": math.inf, "b-c": (1,), "d": "it's\n"},
            "e": [torch.optim.Adam, class_like],
            "f": torch.bfloat16,
        }
    )
    assert "from torch.optim.adam import Adam\n" in text
    assert "from toy_training import Adam as Adam_2\n" in text
    values: dict = {}
    exec(text.split("\n\n", 1)[1], {"Adam": 1, "Adam_2": 2}, values)
    assert values == {"a": {"end": math.inf, "b-c": (1,), "d": "it's\n"}, "e": [1, 2], "f": "bfloat16"}
    with pytest.raises(ConfigError, match=r"a\.b"):
        config_text({"a": {"b": lambda: 0}})


def test_preparing_twice_changes_nothing(tmp_path):
    cfg = load(tmp_path)
    assert prepare_config(cfg).to_dict() == cfg.to_dict()


def test_arguments_follow_kwargs_to_the_base():
    class Base:
        def __init__(self, a, b=1): ...

    class Child(Base):
        def __init__(self, c, **kwargs): ...

    class Open:
        def __init__(self, **kwargs): ...

    assert arguments_of(Child) == {"a", "b", "c"}
    assert arguments_of(Open) is None
    assert arguments_of(lambda x, y=2: 0) == {"x", "y"}
    assert arguments_of(type("Bare", (), {})) == set()


def test_near_names():
    assert did_you_mean("batchsize", ["batch_size", "dataset"]) == "; did you mean 'batch_size'?"
    assert did_you_mean("zzz", ["b", "a"]) == "; expected one of: a, b"
    assert did_you_mean("zzz", []) == ""


@pytest.mark.parametrize("tool", ["train", "test"])
@pytest.mark.parametrize(("name", "text"), [("no.py", None), ("a.txt", "a = 1"), ("a.py", "a = dict(")])
def test_a_config_that_is_none_is_refused_before_torch_is_loaded(tmp_path, tool, name, text):
    if text is not None:
        (tmp_path / name).write_text(text)
    root = Path(posekit.__file__).parents[1]
    program = (
        "import runpy, sys; del sys.argv[0]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n    print('torch' in sys.modules)\n"
    )
    script = root / "tools" / f"{tool}.py"
    words = [sys.executable, "-c", program, script, tmp_path / name, *(["x.pth"] if tool == "test" else [])]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", cwd=root)
    assert f"error: config {tmp_path / name}: " in done.stderr
    assert done.stdout == "False\n"
    with pytest.raises(ConfigError) as slow:
        load_config(tmp_path / name)
    assert f"error: {slow.value}" in done.stderr
