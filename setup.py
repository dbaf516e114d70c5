"""Packaging of posekit; ``pip install -e .`` installs it with everything it needs."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (HERE / "posekit/__init__.py").read_text("utf-8"))
assert VERSION is not None

TEST = [
    "ruff==0.17.5",
    "mypy==2.4.1",
    "pytest>=8",
    "pytest-xdist",
    "hypothesis",
    "coverage",
    "setuptools>=68",  # builds the wheel that is tested
    "onnx",
    "onnxruntime",
    "orjson",
    "pytorch-metric-learning",
]


class WholeSource(sdist):
    """A source distribution from which posekit can be built and tested: what git holds."""

    def make_distribution(self):
        folders = [path for name in ("configs", "tools", "tests") for path in Path(name).rglob("*")]
        others = [Path(name) for name in ("CHANGELOG.md", ".pre-commit-config.yaml", ".gitignore", ".ci/run")]
        wanted = [path for path in folders + others if path.is_file() and path.suffix not in (".pyc", ".pyo")]
        self.filelist.extend(str(path) for path in wanted)
        super().make_distribution()


class BuildWithConfigs(build_py):
    """An installed posekit has its configs and tools within; in a checkout they lie beside it."""

    def run(self):
        super().run()
        for folder in () if self.editable_mode else ("configs", "tools"):
            inside = Path(self.build_lib) / "posekit" / folder
            shutil.copytree(
                HERE / folder, inside, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
            )


setup(
    name="posekit",
    version=VERSION.group(1),
    description="Heatmap human pose estimation: Hourglass, HRNet, MSE and focal MSE, PCKh and OKS",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    cmdclass={"build_py": BuildWithConfigs, "sdist": WholeSource},
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(include=["posekit", "posekit.*"]),
    package_data={
        "posekit": ["py.typed", "docs/*", "study/*.jinja", "analysis/*.jinja", "weights/*", "weights/*/*"]
    },
    entry_points={"console_scripts": ["posekit = posekit.__main__:main"]},
    python_requires=">=3.10",
    install_requires=[
        # 2.13.0's CPU build does not work with any torchvision, and so not with timm.
        "torch>=2.4,!=2.13.0",
        "torchvision",
        "timm>=1.0",
        "huggingface_hub>=0.23",  # timm brings it; older ones leave a link in place of the file
        "mmengine>=0.10.7",
        "pycocotools>=2.0.7",
        "opencv-python>=4.8",
        "av>=17.1",  # videos; 17.0.0 crashes on MPEG-2
        "numpy>=1.24",
        "scipy>=1.10",  # reads and writes MATLAB files
        "matplotlib>=3.7",
        "tqdm",
        "jinja2>=3",
        "filelock>=3.12",  # torch needs it too
    ],
    extras_require={
        "onnx": ["onnx>=1.15", "onnxruntime>=1.17"],  # tools/export.py, YOLOX
        "fast": ["orjson>=3.9"],  # annotations and results in a third of the time
        "loggers": ["tensorboard", "wandb", "mlflow"],  # a config's `loggers`, train.py --tensorboard
        "recognition": ["pytorch-metric-learning>=2.5"],  # four of posekit.recognition's losses
        "albumentations": ["albumentations>=2.0"],  # posekit.transforms.albumentations
        "test": TEST,
        "dev": [*TEST, "build", "pre-commit"],
    },
)
