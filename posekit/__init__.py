"""posekit: heatmap human pose estimation, trained with MSE or focal MSE, scored by PCKh and OKS.

Importing the package imports nothing heavy; import what you need from its modules, as the README shows.
"""

__version__ = "0.1.0"
