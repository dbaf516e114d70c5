"""Checkpoints of a run: written (``files``, ``state``), found again (``resume``), restored (``restore``)."""
