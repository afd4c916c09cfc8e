"""Scalars of YAML as Go reads them, for it is Go that printed them."""

from __future__ import annotations

import gc
import json
import math
import random
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from devcluster import binaries
from etpguard.cli.errors import Failure
from etpguard.cli.input import yaml_documents
from etpguard.cli.input.files import as_utf8
from tests.cli.program import SEED, etpguard


def read(text: str) -> Any:
    (document,) = yaml_documents.load("it", text.encode())
    return document


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding: str) -> None:
    (document,) = yaml_documents.load("it", as_utf8("it", "a: é".encode(encoding)))
    assert document == {"a": "é"}


TEXT = {
    "=": "the value tag",
    "<<": "the merge tag",
    "7e34567": "a commit that would be a fraction with too large an exponent",
    "-1e999": "the same below zero",
    "1.5e+999": "the same with a point",
    "0x" + "f" * 17: "hexadecimal digits over 64 bits",
    "0b" + "1" * 65: "binary digits over 64 bits",
    "0o7" + "7" * 22: "octal digits over 64 bits",
    "1" * 400: "decimal digits that are no finite fraction either",
    "-9223372036854775809": "one below the least",
    "18446744073709551616": "one above the greatest",
    "9" * 5000: "more digits than Python reads",
    "2026-03-02": "a date",
    "12:30:45": "a time",
    "1.2.3": "a version",
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for text, name in TEXT.items()])
@pytest.mark.parametrize("place", ["a: {}", "a: [{}]", "a:\n- {}\n"], ids=["a value", "a flow item", "an item"])
def test_plain_scalars_that_are_text(text: str, place: str) -> None:
    found = read(place.format(text))["a"]
    assert found in (text, [text])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("80", 80, id="decimal"),
        pytest.param("-1", -1, id="below zero"),
        pytest.param("0x1F", 31, id="hexadecimal"),
        pytest.param("017", 15, id="octal as of old"),
        pytest.param("0o17", 15, id="octal"),
        pytest.param("0b11", 3, id="binary"),
        pytest.param("18446744073709551615", 2**64 - 1, id="the greatest"),
        pytest.param("-9223372036854775808", -(2**63), id="the least"),
        pytest.param("1e3", 1000.0, id="an exponent"),
        pytest.param("1e-999", 0.0, id="too small a fraction"),
        pytest.param(".inf", math.inf, id="infinity"),
        pytest.param("-.INF", -math.inf, id="infinity below zero"),
    ],
)
def test_plain_scalars_that_are_numbers(text: str, number: float) -> None:
    found = read(f"a: {text}")["a"]
    assert (found, type(found)) == (number, type(number))


def test_a_merge_key_merges_still() -> None:
    assert read("base: &base {a: 1}\nmade: {<<: *base, b: <<}")["made"] == {"a": 1, "b": "<<"}


@pytest.mark.parametrize("text", ['!!int ""', "!!bool perhaps", "!!timestamp x", "!!int x", "!!float x", "!any x"])
def test_a_tag_that_does_not_fit_its_text_is_an_error(text: str) -> None:
    with pytest.raises(Failure, match=r"it: document 1: .*not YAML"):
        read(f"a: {text}")


def test_a_label_that_looks_like_a_number_loses_no_object() -> None:
    labels = "  metadata:\n    labels:\n      git-sha: 7e34567\n"
    text = SEED.read_text().replace("  metadata:\n    annotations:", f"{labels}    annotations:")
    text = text.replace("    annotations:\n", "    annotations:\n      of-text: =\n      of-more: <<\n")
    assert "git-sha" in text
    run = etpguard("check", "-f", "-", "-o", "json", stdin=text)
    assert run.err == ""
    assert run.report == etpguard("check", "-f", SEED, "-o", "json").report


@pytest.mark.controlplane
def test_whatever_kubectl_prints_is_read_as_it_was() -> None:
    data = {f"k{number}": text for number, text in enumerate(tricky())}
    given = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it"}, "data": data}
    done = subprocess.run(
        [binaries.path("kubectl"), "label", "--local", "-f", "-", "-o", "yaml", "a=7e34567"],
        input=json.dumps(given).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    (found,) = yaml_documents.load("kubectl", done.stdout)
    assert found == {**given, "metadata": {"name": "it", "labels": {"a": "7e34567"}}}


def tricky() -> Iterator[str]:
    yield from TEXT
    yield from ("~", "null", "yes", "n", "on", "True", "+.inf", ".nan", "1_000", "0o8", "08", "-0x1", "190:20:30")
    yield from ("", " a", "a ", "a: b", "a #b", "- a", "a\nb", "a\tb", "---", "&a", "*a", "!a", "?", "\ufeff")
    dice = random.Random(3)
    for _ in range(2000):
        yield "".join(dice.choice("0123456789e_.+-:xabo") for _ in range(dice.randint(1, 9)))


def many(size: int) -> dict[str, bytes]:
    """YAML of each shape that could cost more than its size."""
    numbers = range(size)
    base = b", ".join(b"k%d: v" % n for n in range(100))
    return {
        "anchors": b"a:\n" + b"".join(b"- &a%d {x: y}\n- *a%d\n" % (n, n) for n in numbers),
        "keys": b"".join(b"k%d: v\n" % n for n in numbers),
        "documents": b"---\na: 1\n" * size,
        "flow items": b"a: [" + b"x, " * 5 * size + b"]\n",
        "merge keys": b"b: &b {" + base + b"}\n" + b"".join(b"m%d: {<<: *b}\n" % n for n in range(size // 10)),
        "explicit keys": b"".join(b"? k%d\n: b\n" % n for n in numbers),
        "long numbers": b"a:\n" + (b"- " + b"9" * 3990 + b"\n") * (size // 10),
        "one text": b'a: "' + b"x\\n" * 50 * size + b'"\n',
    }


def cpu(body: bytes) -> float:
    """Seconds, the best of three. Without the garbage collector, which looks at all objects of the other tests."""
    taken = []
    gc.disable()
    try:
        for _ in range(3):
            began = time.process_time()
            for _document in yaml_documents.load("it", body):
                pass
            taken.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(taken)


@pytest.mark.no_cover
@pytest.mark.parametrize("shape", many(1))
def test_the_work_is_linear_in_the_size(shape: str) -> None:
    """Most of it is libyaml's, where nothing can be counted. Quadratic work would take 100 times as long."""
    assert cpu(many(10_000)[shape]) < 30 * max(cpu(many(1_000)[shape]), 0.002)


def test_tag_directives_are_refused() -> None:
    body = b"".join(b"%%TAG !a%d! tag:x,2000:%d\n" % (n, n) for n in range(100_000)) + b"---\na: 1\n"
    began = time.process_time()
    with pytest.raises(Failure, match=r"^it: not YAML of Kubernetes: it has a %TAG directive$"):
        list(yaml_documents.load("it", body))
    assert time.process_time() - began < 1
