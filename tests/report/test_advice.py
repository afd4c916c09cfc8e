"""How advice is shortened to the size of a string in a report."""

from __future__ import annotations

from etpguard.assess.consumers.consumer import Advice
from etpguard.report.advice import MAX_BYTES, advice_text


def of_sizes(effect: int, cost: int, command: int) -> Advice:
    return Advice("Do it", "e" * effect, "c" * cost, "k" * command)


def test_a_text_with_a_command_has_its_effect_which_may_name_a_step_to_do_first() -> None:
    sizes = (0, 1, 300, 500, 900, 2000)
    for advice in (of_sizes(*each) for each in ((e, c, k) for e in sizes for c in sizes for k in sizes)):
        text = advice_text(advice)
        assert len(text.encode()) <= MAX_BYTES
        assert "Command: " not in text or (advice.effect in text and advice.command in text)


def test_the_cost_goes_before_the_command() -> None:
    text = advice_text(of_sizes(500, 300, 400))
    assert text == f"Do it. {'e' * 500} Command: {'k' * 400}"


def test_the_command_goes_before_the_effect() -> None:
    assert advice_text(of_sizes(500, 300, 900)) == f"Do it. {'e' * 500} {'c' * 300}"
    assert advice_text(of_sizes(900, 300, 900)) == f"Do it. {'e' * 900}"
