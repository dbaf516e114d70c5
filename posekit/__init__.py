"""posekit: heatmap human pose estimation, trained with MSE or focal MSE, scored by PCKh and OKS.

Importing the package imports nothing heavy; import what you need from its modules, as the README shows.
``posekit.Predictor`` is there too, and imported when it is first asked for.
"""

from posekit.lean_imports import install as _install_lean_imports
from posekit.moved import install as _install_old_names

TYPE_CHECKING = False  # typing's own would cost an import
if TYPE_CHECKING:
    from posekit.inference import Predictor as Predictor

__version__ = "0.1.0"

_install_lean_imports()
_install_old_names()


def __getattr__(name: str) -> object:
    if name == "Predictor":
        from posekit.inference import Predictor

        globals()[name] = Predictor
        return Predictor
    raise AttributeError(f"module 'posekit' has no attribute {name!r}")
