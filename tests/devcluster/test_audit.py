"""The audit log is read while the API server writes it: a line may stand there half."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from devcluster import audit


def lines(*events: Mapping[str, object]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def test_no_log_has_no_events(tmp_path: Path) -> None:
    assert audit.end(tmp_path / "absent.log") == 0
    assert list(audit.read(tmp_path / "absent.log", 0)) == []


@pytest.mark.parametrize("size", [1, 60_000, 200_000], ids=["a few bytes", "near a block", "several blocks"])
@pytest.mark.parametrize("whole", [0, 1, 3])
def test_the_end_is_behind_the_last_whole_line(tmp_path: Path, whole: int, size: int) -> None:
    log = tmp_path / "audit.log"
    before = lines(*({"number": n} for n in range(whole)))
    log.write_bytes(before + b"{" * size)
    assert audit.end(log) == len(before)


def test_no_event_is_torn_wherever_the_writer_has_come(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    events = [{"number": n, "pad": "x" * random.Random(n).randrange(200)} for n in range(20)]
    content = lines(*events)
    for written in range(len(content)):
        log.write_bytes(content[:written])
        since = audit.end(log)
        before = list(audit.read(log, 0))
        log.write_bytes(content)
        assert before + list(audit.read(log, since)) == events


def test_a_line_that_gets_whole_during_the_reading_waits_for_the_next(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_bytes(lines({"number": 0}) + b'{"number": ')
    reading = audit.read(log, 0)
    assert next(reading) == {"number": 0}
    with log.open("ab") as file:
        file.write(b"1}\n")
    assert [event["number"] for event in reading] in ([1], [])
    assert [event["number"] for event in audit.read(log, 0)] == [0, 1]
