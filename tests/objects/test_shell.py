"""Words of commands to copy."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from etpguard.objects.shell import command_line

SHELLS = [shell for shell in ("bash", "zsh") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "word",
    [
        pytest.param("a b", id="a space"),
        pytest.param("$(id) `id` \"'\\", id="shell code"),
        pytest.param("a\nb\n", id="lines"),
        pytest.param("'\\\n$(id)", id="lines with shell code"),
        pytest.param("\x1b[2J\x7f\x01f", id="control characters"),
        pytest.param("\u202eé\u2028\U0001f600\xa0", id="not printable and not ASCII"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_shell_reads_the_word_again(shell: str, word: str) -> None:
    line = command_line(["printf", "%s\\0", word, "end"])
    assert line.isprintable()
    read = subprocess.run([shell, "-c", line], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert read.stdout.decode().split("\0") == [word, "end", ""]
