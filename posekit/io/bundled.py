"""Where the weights lie that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

DEFAULT_MODEL = "lite0_coco17_256x192"
FINDER = "finder"  # means the first of the finders
WEIGHTS = Path(__file__).resolve().parents[1] / "weights"


def bundled_finders() -> dict[str, Path]:
    """Name -> weights of the person finders that come with posekit."""
    folder = WEIGHTS / "finders"
    found = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    return {path.stem: path for path in found if path.with_suffix(".json").is_file()}


def bundled_finder(name: str) -> Path | None:
    """The weights of a person finder that comes with posekit, by its name or :data:`FINDER`."""
    finders = bundled_finders()
    return next(iter(finders.values()), None) if name == FINDER else finders.get(name)


def bundled_weights(name: str) -> Path | None:
    """The weights that come with posekit under a name, such as "mobilenetv2_lsp14_160x160"."""
    path = WEIGHTS / f"{name}.safetensors"
    plain = Path(name).name == name
    return path if plain and path.is_file() else None
