"""The names that others' programs and configs go by: none disappears unnoticed.

``public_names.txt`` lists them. Public is what a package's ``__all__`` holds, what the lowest modules define,
what README, docs, examples and configs import, what a config may name in a string, every module's old name
(:mod:`posekit.moved`) and every command. What has become public is added by
``PYTHONPATH=. python tests/test_public_names.py``, which removes nothing.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
import warnings
from functools import lru_cache
from pathlib import Path

import pytest
from mmengine.registry import Registry

import posekit
from posekit import registry
from posekit.__main__ import COMMANDS
from posekit.moved import MOVED

ROOT = Path(__file__).resolve().parents[1]
GROUND = ("posekit.errors", "posekit.geometry", "posekit.skeletons", "posekit.structures")
KINDS = [name for name, value in vars(registry).items() if isinstance(value, Registry)]
LIST = ROOT / "tests" / "public_names.txt"
PAGES = [ROOT / "README.md", *sorted((ROOT / "posekit" / "docs").glob("*.md"))]
PROGRAMS = [*sorted((ROOT / "configs").rglob("*.py")), *sorted((ROOT / "tests" / "examples").rglob("*.py"))]


def listed() -> list[str]:
    lines = LIST.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def missing(name: str) -> bool:
    """Whether a name, of a module, of what one holds, or of a command, is not found."""
    kind, _, key = name.partition(" ")
    if key:
        return key not in (COMMANDS if kind == "posekit" else registered(kind))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            parent, _, own = name.rpartition(".")
            if error.name not in (name, parent) or not parent:
                return not parent or missing(parent)
            return missing(parent) or not hasattr(importlib.import_module(parent), own)
    return False


@lru_cache
def registered(kind: str) -> set[str]:
    """What a registry of posekit's holds of posekit's own, once all is imported."""
    for module in pkgutil.walk_packages(posekit.__path__, "posekit."):
        importlib.import_module(module.name)
    held = getattr(registry, kind).module_dict
    return {name for name, built in held.items() if built.__module__.startswith("posekit.")}


def public() -> set[str]:
    """What is public by the rule above."""
    found = {*MOVED, "posekit.Predictor", "posekit.__version__", *(f"posekit {name}" for name in COMMANDS)}
    for module in pkgutil.walk_packages(posekit.__path__, "posekit."):
        if module.ispkg:
            names = getattr(importlib.import_module(module.name), "__all__", ())
            found |= {f"{module.name}.{name}" for name in names}
    for name in GROUND:
        held = vars(importlib.import_module(name)).items()
        own = {key for key, value in held if getattr(value, "__module__", "") == name}
        found |= {f"{name}.{key}" for key in own if not key.startswith("_")}
    for kind in KINDS:
        found |= {f"{kind} {name}" for name in registered(kind)}
    for page in PAGES:
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S):
            found |= imported(block)
    for program in PROGRAMS:
        found |= imported(program.read_text("utf-8"))
    return found


def imported(code: str) -> set[str]:
    """The names of posekit's that a program imports, configs aside."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if re.match(r"posekit\.(?!configs)[\w.]+$", name)}


def test_no_public_name_has_disappeared():
    gone = [name for name in listed() if missing(name)]
    assert not gone, f"see the head of {LIST.name} for how a name goes; not found: {gone}"


def test_what_is_public_is_listed():
    unlisted = sorted(public() - set(listed()))
    assert not unlisted, f"add them by: PYTHONPATH=. python tests/{Path(__file__).name}; unlisted: {unlisted}"


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("posekit", False),
        ("posekit.codecs.MSRACodec", False),
        ("posekit.codecs.MSRACodecs", True),
        ("posekit.codecs.gaussian", False),
        ("posekit.codec", True),
        ("posekit.codec.MSRACodec", True),
        ("posekit.video.VideoReader", False),
        ("posekit train", False),
        ("posekit trian", True),
        ("MODELS MSELoss", False),
        ("MODELS MSELos", True),
    ],
)
def test_the_check_sees_a_fault(name, gone):
    assert missing(name) is gone


if __name__ == "__main__":
    head = [line for line in LIST.read_text("utf-8").splitlines() if line.startswith("#")]
    LIST.write_text("\n".join([*head, "", *sorted({*listed(), *public()}), ""]), "utf-8")
    sys.exit(0)
