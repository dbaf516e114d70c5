"""Scores of poses: PCKh, PCK, OKS AP and AR; arrays in, numbers out, and mmengine adapters in ``evaluators``.

Nothing is imported here, so that the array functions can be had without torch and mmengine.
"""
