"""Tells the form of annotations by what a user gives: a file or a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from posekit.datasets.importers.coco import read_coco_labels
from posekit.datasets.importers.cvat import read_cvat
from posekit.datasets.importers.deeplabcut import read_deeplabcut
from posekit.datasets.importers.labelme import read_labelme
from posekit.datasets.importers.labels import Labels
from posekit.datasets.importers.yolo import read_yolo
from posekit.errors import DataError, shown
from posekit.io.files import read_json

FORMS = (
    "a COCO-form json; Ultralytics' data.yaml; LabelMe's json files or their folder; CVAT's annotations.xml "
    "(for images 1.1); DeepLabCut's CollectedData_*.csv or project folder"
)


def read_labels(path: str | Path) -> Labels:
    """Reads annotations of any known form.

    Args:
        path: A file, or a folder that holds annotations of one form.

    Raises:
        DataError: If the form is not known, or on anything malformed.
    """
    path = Path(path)
    if path.is_dir():
        return _of_folder(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder; expected {FORMS}")
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        return _of_yaml(path)
    if suffix == ".xml":
        return read_cvat(path)
    if suffix in (".csv", ".h5", ".hdf5"):
        return read_deeplabcut([path])
    if suffix in (".json", ".gz"):
        return _of_json(path)
    raise DataError(f"{path}: expected {FORMS}; found a file '*{suffix}'")


def _of_json(path: Path) -> Labels:
    content = read_json(path)
    if isinstance(content, Mapping) and "shapes" in content:
        return read_labelme([path])
    if isinstance(content, Mapping) and "images" in content:
        return read_coco_labels(content, str(path))
    if isinstance(content, list) and content and isinstance(content[0], Mapping) and "data" in content[0]:
        raise DataError(f"{path}: is Label Studio's own json; expected its export 'COCO with keypoints'")
    keys = shown(sorted(map(str, content))) if isinstance(content, Mapping) else f"a {type(content).__name__}"
    raise DataError(
        f"{path}: expected COCO's form ('images', 'annotations', 'categories') or LabelMe's ('shapes'), "
        f"found {keys}"
    )


def _of_yaml(path: Path) -> Labels:
    settings = _read_yaml(path)
    if "kpt_shape" in settings:
        return read_yolo(settings, str(path))
    if "bodyparts" in settings:
        return _of_project(path.parent, settings)
    raise DataError(
        f"{path}: expected 'kpt_shape' (Ultralytics' pose form) or 'bodyparts' (DeepLabCut's project), found "
        f"{shown(sorted(settings))}; a detection set has no keypoints"
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path}: is not yaml: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected settings by name, found {shown(content)}")
    return {str(key): value for key, value in content.items()}


def _of_folder(folder: Path) -> Labels:
    yamls = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    posed = [path for path in yamls if "kpt_shape" in _read_yaml(path)]
    if len(posed) == 1:
        return _of_yaml(posed[0])
    if posed:
        raise DataError(f"{folder}: expected one data.yaml, found {[path.name for path in posed]}; name one")
    if sorted(folder.rglob("CollectedData*.csv")):
        project = folder / "config.yaml"
        return _of_project(folder, _read_yaml(project) if project.is_file() else None)
    xmls = sorted(folder.glob("*.xml"))
    if len(xmls) == 1:
        return read_cvat(xmls[0])
    jsons = sorted(folder.rglob("*.json"))
    if len(jsons) == 1:
        return _of_json(jsons[0])
    if jsons:
        return _of_jsons(folder, jsons)
    raise DataError(f"{folder}: expected {FORMS}; found none of them in the folder")


def _of_project(folder: Path, settings: Mapping[str, Any] | None) -> Labels:
    files = sorted(folder.rglob("CollectedData*.csv"))
    if not files:
        raise DataError(f"{folder}: expected labeled-data/*/CollectedData_<scorer>.csv, found none")
    return read_deeplabcut(files, settings)


def _of_jsons(folder: Path, paths: list[Path]) -> Labels:
    """LabelMe's: one file for each picture."""
    for path in paths:
        content = read_json(path)
        if not (isinstance(content, Mapping) and "shapes" in content):
            raise DataError(
                f"{folder}: expected LabelMe's files alone (with 'shapes'), found {path.name}; name the file "
                "itself, or move what is no annotation elsewhere"
            )
    return read_labelme(paths)
