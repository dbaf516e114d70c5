"""Configs: read and completed (``config``), checked (``schema``, ``values``), written (``dump``)."""
