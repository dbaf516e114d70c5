"""Configs: read and completed (``config``), checked (``schema``), written (``dump``)."""
