"""Reports as pages of one file: jinja templates, figures inside."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

# Of a table: names of its columns, rows, and a note where there is one; parts.html.jinja says more.
Grid = tuple[Any, ...]
HERE = Path(__file__).parent


def render(template: str | Path, **values: Any) -> str:
    """Fills in a template; it may build on ``page.html.jinja`` and import ``parts.html.jinja``.

    Args:
        template: Its path.
        **values: By name; every text is escaped.
    """
    folders = [Path(template).parent, HERE]
    environment = Environment(loader=FileSystemLoader(folders), autoescape=True, trim_blocks=True)
    return environment.get_template(Path(template).name).render(**values)


def embedded(data: str | bytes) -> str:
    """A picture's content as a page holds it: base64."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()
