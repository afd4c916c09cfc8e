"""The pictures of the docs."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.chart import Line, Panel, nice_step, svg


def test_a_picture_is_xml_with_a_title_and_all_names() -> None:
    panel = Panel("seconds", "size <in thousands>", [Line("check & more", [(0, 0), (1, 2)])], marks=[0.5])
    text = svg("How it grows", [panel, panel, panel], columns=2)
    root = ElementTree.fromstring(text)
    shown = [element.text for element in root.iter() if element.text and element.text.strip()]
    assert shown[0] == "How it grows"
    assert shown.count("seconds") == 3
    assert "check & more" in shown
    assert text == svg("How it grows", [panel, panel, panel], columns=2)


def test_a_panel_without_points_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        svg("", [Panel("empty", "", [])], columns=1)


@given(st.floats(min_value=1e-6, max_value=1e9))
def test_four_to_eight_round_steps_reach_the_most(most: float) -> None:
    assert 3.9 <= most / nice_step(most) <= 8.01
