"""docs/reference.md has every setting and every metric, each default as one would write it."""

from __future__ import annotations

import re

import pytest

from etpguard.metrics import Metrics, State
from etpguard.settings import Option, options
from manifests import reference
from tests.docs.console import ROOT

PAGE = ROOT / "docs" / "reference.md"


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == reference.page(), "renew it: python -m manifests.generated"


@pytest.mark.parametrize("option", [pytest.param(each, id=each.name) for each in options()])
def test_a_setting_with_its_default(option: Option) -> None:
    (row,) = (line for line in PAGE.read_text().splitlines() if f"| `{option.variable}` |" in line)
    flag, _, default = row.strip("| ").split(" | ")[:3]
    assert flag.startswith(f"`{option.flag}` ")
    text = option.default_text
    assert default == (f"`{text}`" if text else reference.NONE)
    assert not text or option.type.parse(text) == option.default


def test_every_metric_that_is_exported() -> None:
    nothing_counted = Metrics(lambda: State({}, {}, {}, (), True)).snapshot()().decode()
    exported = set(re.findall(r"^# TYPE (etpguard_\w+)", nothing_counted, re.MULTILINE))
    assert exported == {name for name, _, _ in reference.families()}
    assert exported == set(re.findall(r"^\| `(etpguard_\w+)` \|", PAGE.read_text(), re.MULTILINE))


def test_it_is_linked() -> None:
    assert "(docs/reference.md)" in (ROOT / "README.md").read_text()
    assert "(reference.md)" in (ROOT / "docs" / "install.md").read_text()
