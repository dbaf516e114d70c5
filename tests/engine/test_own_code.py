"""A user's own code beside a config, and posekit's configs as bases from any folder."""

from __future__ import annotations

import sys

import pytest

from posekit.engine.configs.config import load_config
from posekit.errors import ConfigError

NET = """
from torch import nn
from posekit.registry import MODELS

@MODELS.register_module()
class {name}(nn.Module):
    out_channels = 3

    def forward(self, image):
        return [image[:, :, ::4, ::4]]
"""
CONFIG = """
from mmengine.config import read_base
{imports}
with read_base():
    from posekit.configs.quickstart.people_coco import *

model["backbone"] = dict(type={kind})
"""


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """A folder that a config makes importable is so for this test alone."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith(("posekit", "torch", "timm")):
            del sys.modules[name]


def _write(folder, name="FirstNet", module="own_net_a", kind=None, imports=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(NET.format(name=name))
    imports = f"from {module} import {name}\n" if imports is None else imports
    (folder / "config.py").write_text(CONFIG.format(imports=imports, kind=kind or name))
    return folder / "config.py"


def test_a_backbone_beside_the_config_and_a_base_of_posekit(tmp_path):
    config = _write(tmp_path / "mine")
    # A class that a config imports need not be registered.
    net = tmp_path / "mine" / "own_net_a.py"
    net.write_text(net.read_text().replace("@MODELS.register_module()\n", ""))
    cfg = load_config(config)
    assert cfg.model.backbone.type.__name__ == "FirstNet"
    assert cfg.train_cfg.max_epochs == 12
    assert cfg.own_code == [str(tmp_path / "mine")]
    # What a training leaves is read from anywhere.
    left = tmp_path / "work" / "config.py"
    left.parent.mkdir()
    left.write_text(cfg.pretty_text)
    sys.path.remove(str(tmp_path / "mine"))
    del sys.modules["own_net_a"]
    again = load_config(left)
    assert again.model.backbone.type.__name__ == "FirstNet"
    assert again.own_code == cfg.own_code


def test_a_config_without_own_code_says_nothing_of_it(tmp_path):
    (tmp_path / "config.py").write_text(CONFIG.format(imports="", kind="'HRNet', variant='w8'"))
    assert "own_code" not in load_config(tmp_path / "config.py")


def test_own_code_of_another_folder_and_custom_imports(tmp_path):
    _write(tmp_path / "lib", "SecondNet", "own_net_b")
    words = 'own_code = "../lib"\ncustom_imports = dict(imports=["own_net_b"])\n'
    config = _write(tmp_path / "mine", "ThirdNet", "own_net_c", kind='"SecondNet"', imports=words)
    cfg = load_config(config)
    assert cfg.model.backbone.type.__name__ == "SecondNet"
    assert cfg.own_code == [str(tmp_path / "lib")]


def test_the_code_beside_a_base(tmp_path):
    _write(tmp_path / "base", "FourthNet", "own_net_d")
    child = tmp_path / "child" / "config.py"
    child.parent.mkdir()
    child.write_text(
        "from mmengine.config import read_base\nwith read_base():\n    from ..base.config import *\n"
    )
    assert load_config(child).model.backbone.type.__name__ == "FourthNet"


def test_a_name_that_python_finds_elsewhere_is_refused(tmp_path):
    config = _write(tmp_path / "mine", "FifthNet", "json")
    with pytest.raises(
        ConfigError, match=r"imports 'json' of .*mine, but by that name Python finds .*rename yours"
    ):
        load_config(config)
    load_config(_write(tmp_path / "one", "SixthNet", "own_net_e"))
    with pytest.raises(ConfigError, match="rename yours"):
        load_config(_write(tmp_path / "two", "SeventhNet", "own_net_e"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("own_code = 3\n", "'own_code': expected a folder or several, found 3"),
        ('own_code = "../nowhere"\n', "'own_code': there is no folder"),
        ('custom_imports = ["a"]\n', r"'custom_imports': expected dict\(imports="),
        ('custom_imports = dict(imports="no_such_net")\n', "'no_such_net' cannot be imported"),
    ],
)
def test_wrong_words_are_refused(tmp_path, words, message):
    config = _write(tmp_path / "mine", "EighthNet", "own_net_f", kind='"HRNet"', imports=words)
    with pytest.raises(ConfigError, match=message):
        load_config(config)


def test_failed_imports_may_be_allowed(tmp_path):
    words = 'custom_imports = dict(imports="no_such_net", allow_failed_imports=True)\n'
    config = _write(tmp_path, "NinthNet", "own_net_g", kind="'HRNet', variant='w8'", imports=words)
    assert load_config(config).custom_imports.allow_failed_imports


def test_a_base_that_is_nowhere(tmp_path):
    text = "from mmengine.config import read_base\nwith read_base():\n    from no_such_package.x import *\n"
    (tmp_path / "config.py").write_text(text)
    with pytest.raises(ConfigError, match="no package 'no_such_package' is installed"):
        load_config(tmp_path / "config.py")
