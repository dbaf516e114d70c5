"""README and pages: links lead somewhere, commands name what exists, code is code."""

from __future__ import annotations

import ast
import re

import pytest
import reference

ROOT = reference.ROOT
PAGES = [ROOT / "README.md", *sorted((ROOT / "posekit" / "docs").glob("*.md"))]


def blocks(page, language):
    """The code blocks of a page: (its line, text)."""
    text = page.read_text("utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start()) + 1, match[1]) for match in found]


def commands(page):
    """Lines of bash blocks, and indented lines that call python, continued lines joined."""
    text = page.read_text("utf-8")
    indented = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [line for _, block in blocks(page, "bash") for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"^    (python .*)$", indented.replace("\\\n", " "), re.MULTILINE)
    return [line.partition(" #")[0].strip() for line in lines if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_what_exists(page):
    for command in commands(page):
        words = command.replace("[", " ").replace("]", " ").split()
        for word in words:
            if word.startswith(("tools/", "configs/", "tests/")):
                assert (ROOT / word).exists(), f"{page.name}: {command}"
        tool = next((word for word in words if re.fullmatch(r"tools/\w+\.py", word)), None)
        if tool is None:
            continue
        # The tool's own options, those of the packages that it is made of, and mmengine's.
        known = (ROOT / tool).read_text("utf-8") + LIBRARY
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", command):
            assert f'"{option}"' in known, f"{page.name}: {command}: {option}"


LIBRARY = "".join(path.read_text("utf-8") for path in (ROOT / "posekit").rglob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_is_python(page):
    for line, code in blocks(page, "python"):
        try:
            tree = ast.parse(code)
        except SyntaxError as error:
            pytest.fail(f"{page.name}:{line}: {error}")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and re.match(r"posekit(?!\.configs)", node.module or ""):
                module = __import__(node.module, fromlist=["_"])
                missing = [name.name for name in node.names if not hasattr(module, name.name)]
                assert missing == [], f"{page.name}:{line}: {node.module}"


def test_readme_is_short_and_leads_to_every_page():
    text = PAGES[0].read_text("utf-8")
    assert len(text.splitlines()) <= 200
    linked = set(re.findall(r"posekit/docs/(\w+\.md)", text))
    assert linked == {page.name for page in PAGES[1:]}
    for command in ("bash tools/quickstart.sh", "bash tests/run.sh"):
        assert command in text
