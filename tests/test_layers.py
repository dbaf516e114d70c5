"""The house: every wing imports only from those below it, and no imports run in a circle."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import posekit
from posekit.moved import MOVED

PACKAGE = Path(posekit.__file__).parent
# From the ground up. A new file or folder of posekit/ finds its place here.
WINGS = [
    {"errors", "registry", "parallel", "machine"},
    {"io"},
    {"structures"},
    {"geometry"},
    {"body_skeletons", "face_skeletons"},
    {"skeletons"},
    {"codecs"},
    {"transforms"},
    {"synthetic"},
    {"datasets"},
    {"metrics"},
    {"models"},
    {"visualization"},
    {"doctor"},
    {"engine"},
    {"detection"},
    {"bottomup"},
    {"inference"},
    {"study"},
    {"analysis"},
    {"recognition"},
]
FLOOR = {wing: floor for floor, wings in enumerate(WINGS) for wing in wings}
# The package's face: it hands out the predictor, old names of modules, and runs the tools.
FACE = {"posekit", "posekit.lean_imports", "posekit.moved", "posekit.__main__"}


def modules(package: Path) -> dict[str, Path]:
    found = {}
    for path in package.rglob("*.py"):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: Path) -> dict[str, set[str]]:
    """Which module imports which, also within functions and for type checkers alone."""
    files = modules(package)
    edges: dict[str, set[str]] = {}
    for name, path in files.items():
        wanted = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                wanted |= {
                    full if (full := f"{node.module}.{alias.name}") in files else node.module
                    for alias in node.names
                }
            elif isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
        edges[name] = {found for found in wanted if found in files} - {name}
    return edges


def wing(module: str) -> str:
    return module.split(".")[1]


def upward(package: Path) -> list[str]:
    found = []
    for module, wanted in imports(package).items():
        for other in wanted if module not in FACE else ():
            if other not in FACE and FLOOR[wing(other)] > FLOOR[wing(module)]:
                found.append(f"{module} imports {other}")
    return found


def in_circles(package: Path) -> set[str]:
    """The modules that import themselves by a detour; a package's ``__init__`` only hands names on."""
    files = modules(package)
    edges = {
        module: {other for other in wanted if files[other].name != "__init__.py"}
        for module, wanted in imports(package).items()
    }
    return {module for module in edges if module in _reached(edges, module)}


def _reached(edges: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for other in edges[todo.pop()] - seen:
            seen.add(other)
            todo.append(other)
    return seen


def test_every_wing_has_its_floor():
    names = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert names - {"__init__", "__main__", "lean_imports", "moved"} == set(FLOOR)


def test_imports_lead_down():
    assert upward(PACKAGE) == []


def test_there_is_no_circle():
    assert in_circles(PACKAGE) == set()


def test_the_checks_see_a_fault(tmp_path):
    house = tmp_path / "posekit"
    for folder, code in {
        "io/files.py": "def f():\n    from posekit.study import plan",
        "study/plan.py": "import posekit.study.sweep",
        "study/sweep.py": "from posekit.study.plan import Plan",
    }.items():
        path = house / folder
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(code)
    (house / "__init__.py").touch()
    assert upward(house) == ["posekit.io.files imports posekit.study.plan"]
    assert in_circles(house) == {"posekit.study.plan", "posekit.study.sweep"}


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_old_names_are_the_new_modules(old, new):
    module = importlib.import_module(new)
    spec = module.__spec__
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is {new} now"):
        assert importlib.import_module(old) is module
    assert module.__spec__ is spec
    assert module.__name__ == new


def test_an_old_package_runs():
    command = [sys.executable, "-W", "ignore", "-m", "posekit.datasets.synthetic", "--help"]
    assert "--out" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_nothing_of_our_own_uses_old_names():
    root = PACKAGE.parent
    files = [
        path for folder in ("posekit", "configs", "tools", "tests") for path in (root / folder).rglob("*.py")
    ]
    uses = [
        f"{path}: {node.module}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in MOVED
    ]
    assert uses == []
