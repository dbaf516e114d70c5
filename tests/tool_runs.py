"""A tool called within the process of a test: its exit status and what it says."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
import reference


def caller(name: str, monkeypatch: Any, capsys: Any) -> Callable[..., tuple[int, str]]:
    """A function of a command line's words that runs ``tools/name.py``."""
    spec = importlib.util.spec_from_file_location(f"{name}_tool", reference.ROOT / "tools" / f"{name}.py")
    tool = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(tool)  # type: ignore[union-attr]

    def called(*words: object) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", [f"{name}.py", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            tool.run_tool(tool.main)
        found = capsys.readouterr()
        return ended.value.code, found.out + found.err  # type: ignore[return-value]

    return called
