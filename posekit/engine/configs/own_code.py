"""A user's own code beside a config: where it is found, and posekit's configs as bases from any folder.

A config, and each of its bases, imports modules of its own folder by their names (``from my_net import
MyNet``), and of the folders that its ``own_code`` names. What was imported so is written into the config that
a training leaves, so that a test finds it again. Bases are relative (``from .base import *``) or absolute
(``from posekit.configs.hrnet.hrnet_w32_coco_256x192 import *``).
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import posekit
from posekit.errors import ConfigError, shown


def reach(folder: Path) -> None:
    """Makes the modules of a folder importable, behind everything that is already."""
    if (text := str(folder)) not in sys.path:
        sys.path.append(text)


def stated_folders(cfg: Mapping[str, Any], path: Path) -> list[Path]:
    """The folders of a config's ``own_code``, absolute; relative ones are seen from the config's folder.

    Raises:
        ConfigError: If it is no folder's name, or a list of such.
    """
    stated = cfg.get("own_code")
    names = [stated] if isinstance(stated, str) else stated or []
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"config {path}: 'own_code': expected a folder or several, found {shown(stated)}")
    folders = [(path.absolute().parent / name).resolve() for name in names]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"config {path}: 'own_code': there is no folder {folder}")
    return folders


def build(lazy: Any, folders: list[Path], source: str) -> Any:
    """What a config imports, imported; the folder of the base that states it joins ``folders``.

    Raises:
        ConfigError: If Python finds another module by the name of one's own.
    """
    folder = _folder_of(lazy)
    if folder is not None and folder not in folders:
        folders.append(folder)
        reach(folder)
    _check_not_hidden(str(lazy.module), folders, source)
    return lazy.build()


def _folder_of(lazy: Any) -> Path | None:
    """The folder of the config, or base, that states what is imported later."""
    file = str(getattr(lazy, "location", None) or "").rpartition(", line")[0]
    return Path(file).parent.resolve() if file and Path(file).is_file() else None


def _check_not_hidden(module: str, folders: Sequence[Path], where: str) -> None:
    """Refuses the name of a module in one's own folder by which Python finds another.

    Raises:
        ConfigError: If there is another of this name, from an installed package or another config's folder.
    """
    top = module.partition(".")[0]
    own = [f for f in folders if (f / f"{top}.py").is_file() or (f / top / "__init__.py").is_file()]
    if not own:
        return
    loaded = sys.modules.get(top)
    spec = getattr(loaded, "__spec__", None) if loaded else importlib.util.find_spec(top)
    origin = getattr(spec, "origin", None)
    if origin is None or not any(Path(origin).resolve().is_relative_to(folder) for folder in own):
        raise ConfigError(
            f"{where} imports '{top}' of {own[0]}, but by that name Python finds "
            f"{origin or 'another module'}; rename yours"
        )


def folders_of(cfg: Any, folders: list[Path]) -> list[str]:
    """Those of the folders from which classes and functions of a config come."""
    used: set[Path] = set()

    def look(value: Any) -> None:
        if isinstance(value, Mapping):
            for item in value.values():
                look(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                look(item)
        elif callable(value):
            file = getattr(sys.modules.get(getattr(value, "__module__", None) or ""), "__file__", None)
            used.update(folder for folder in folders if file and Path(file).resolve().is_relative_to(folder))

    look(cfg)
    return [str(folder) for folder in folders if folder in used]


def import_customs(cfg: Mapping[str, Any], path: Path) -> None:
    """Imports what mmengine's ``custom_imports`` names, so that registered names are known.

    Raises:
        ConfigError: If it is not ``dict(imports=[...])``, or a module cannot be imported and
            ``allow_failed_imports`` is not stated.
    """
    stated = cfg.get("custom_imports")
    if stated is None:
        return
    names = stated.get("imports") if isinstance(stated, Mapping) else None
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"config {path}: 'custom_imports': expected dict(imports=['module', ...]), found {shown(stated)}"
        )
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            if not stated.get("allow_failed_imports"):
                raise ConfigError(
                    f"config {path}: 'custom_imports': {name!r} cannot be imported: {error}; expected a "
                    "module beside the config, in a folder of 'own_code', or installed"
                ) from error


@contextmanager
def absolute_bases() -> Iterator[None]:
    """Lets mmengine read bases by absolute names; it asks ``pkg_resources``, which is no more."""
    with mock.patch("mmengine.config.config.get_installed_path", _folder_of_package):
        yield


def find_config(path: Path) -> Path:
    """A config as it is named; where there is no such file, posekit's own of that name, if it has one."""
    own = Path(_folder_of_package("posekit")) / path
    return own if not path.is_file() and not path.is_absolute() and own.is_file() else path


def existing_config(path: str | Path) -> Path:
    """The file of a config, looked at without torch: a wrong name or a slip of syntax is refused at once.

    Raises:
        ConfigError: If there is none, or it is no Python file.
    """
    found = find_config(Path(path))
    if not found.is_file():
        raise ConfigError(f"config {found}: no such file, here or among posekit's configs")
    if found.suffix != ".py":
        raise ConfigError(f"config {found}: expected a Python file (.py), found '{found.suffix}'")
    try:
        ast.parse(found.read_text("utf-8"))
    except SyntaxError as error:
        raise ConfigError(f"config {found}: {type(error).__name__}: {error}") from error
    except (OSError, ValueError, RecursionError, MemoryError):
        pass  # whoever runs it says what is wrong
    return found


def _folder_of_package(name: str) -> str:
    if name == "posekit":  # in a checkout its configs lie beside the package, installed within it
        package = Path(posekit.__file__).parent
        return str(package if (package / "configs").is_dir() else package.parent)
    spec = importlib.util.find_spec(name)
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise ImportError(f"no package {name!r} is installed, nor lies beside the config")
    return places[0]
