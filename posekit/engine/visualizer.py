"""mmengine's visualizer, whose figure is made when somebody first draws on it.

posekit's trainings log scalars through it and draw nothing: a figure would cost each of them the import of
matplotlib, half a second, and a tenth for itself.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from mmengine.visualization import Visualizer

_OF_THE_FIGURE = ("fig_save_canvas", "fig_save", "ax_save", "dpi")


class LazyVisualizer(Visualizer):
    """As mmengine's, from the start or from the first drawing on."""

    def __init__(self, name: str = "visualizer", **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        for name in _OF_THE_FIGURE:
            delattr(self, name)

    def _initialize_fig(self, fig_cfg: dict[str, Any]) -> tuple:
        return None, SimpleNamespace(get_dpi=lambda: None), None

    def __getattr__(self, name: str) -> Any:
        """Makes the figure."""
        if name not in _OF_THE_FIGURE:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self.fig_save_canvas, self.fig_save, self.ax_save = super()._initialize_fig(self.fig_save_cfg)
        self.dpi = self.fig_save.get_dpi()
        return getattr(self, name)
