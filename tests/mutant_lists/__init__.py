"""The mutants of ``mutants.py``: lines by which a user's numbers go wrong, and the tests that should say so.

A mutant that changes nothing has no place here.
"""

from __future__ import annotations

from mutant_lists.analysis import ANALYSIS
from mutant_lists.augmentation import AUGMENTATION
from mutant_lists.bottomup import BOTTOMUP
from mutant_lists.codecs import CODECS, FLIP_TEST
from mutant_lists.crops import CROPS, INFERENCE
from mutant_lists.datasets import DATASETS
from mutant_lists.demo import DEMO
from mutant_lists.detection import FINDER
from mutant_lists.elsewhere import ELSEWHERE
from mutant_lists.engine import ENGINE, PARALLEL
from mutant_lists.families import FAMILIES
from mutant_lists.losses import ADAPTIVE_WING, HEADS, LOSSES
from mutant_lists.metrics import METRICS
from mutant_lists.mutant import Mutant
from mutant_lists.own_files import OWN_FILES
from mutant_lists.pasting import PASTING
from mutant_lists.photo_crops import PHOTO_CROPS
from mutant_lists.recipes import CONFIGS, RECIPES
from mutant_lists.recognition import RECOGNITION
from mutant_lists.speed import SPEED
from mutant_lists.stages import STAGES
from mutant_lists.study import FILES, STUDY
from mutant_lists.tasks import TASKS

__all__ = ["MUTANTS", "Mutant"]

MUTANTS = (
    *AUGMENTATION,
    *CROPS,
    *INFERENCE,
    *DEMO,
    *STAGES,
    *CODECS,
    *FLIP_TEST,
    *BOTTOMUP,
    *LOSSES,
    *ADAPTIVE_WING,
    *HEADS,
    *FAMILIES,
    *DATASETS,
    *OWN_FILES,
    *PASTING,
    *PHOTO_CROPS,
    *FINDER,
    *METRICS,
    *ANALYSIS,
    *ENGINE,
    *PARALLEL,
    *SPEED,
    *ELSEWHERE,
    *CONFIGS,
    *RECIPES,
    *RECOGNITION,
    *TASKS,
    *STUDY,
    *FILES,
)
