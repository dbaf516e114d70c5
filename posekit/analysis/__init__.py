"""Error analysis of keypoint results: what goes wrong, for whom, and what it costs (``tools/analyze.py``)."""
