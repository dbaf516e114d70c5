"""Where the weights lie that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"


def bundled_weights(name: str) -> Path | None:
    """The weights that come with posekit under a name, such as "mobilenetv2_lsp14_160x160"."""
    path = WEIGHTS / f"{name}.safetensors"
    plain = Path(name).name == name
    return path if plain and path.is_file() else None
