"""The list of mutants fits the code; whether the tests kill them, ``python tests/mutants.py`` finds out."""

from __future__ import annotations

import re

from mutant_lists import MUTANTS, Mutant
from mutants import faults


def test_every_line_that_is_broken_stands_there_once_and_has_its_tests():
    assert faults() == []
    assert len(MUTANTS) >= 60
    assert len({(mutant.path, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
    assert {mutant.path.partition("/")[0] for mutant in MUTANTS} == {"posekit", "configs", "tools"}


def test_a_list_out_of_date_is_told():
    gone = Mutant("posekit/geometry.py", "no such line", "x", "test_geometry.py::test_no_such_test")
    found = faults([gone, Mutant("posekit/geometry.py", "import math", "import math", "test_geometry.py")])
    expected = ("'no such line' once, found it 0 times", "test_no_such_test: is no test", "no single line")
    assert len(found) == 3
    assert all(re.search(words, fault) for words, fault in zip(expected, found, strict=True))
