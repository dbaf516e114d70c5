"""The public data sets of face landmarks, from their files -> ``PersonTable``; a face is a person."""

from posekit.datasets.faces.mat_files import load_aflw, load_cofw, unpack_cofw
from posekit.datasets.faces.mtfl import load_mtfl
from posekit.datasets.faces.text_files import load_300w, load_face_csv, load_wflw

__all__ = ["load_300w", "load_aflw", "load_cofw", "load_face_csv", "load_mtfl", "load_wflw", "unpack_cofw"]
