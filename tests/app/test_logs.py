"""What the operator's log lines look like, and which of them are written."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from kopf._cogs.clients.errors import APIForbiddenError

import etpguard
from etpguard.app.logs import QUIET_LIBRARIES, JsonFormatter, TextFormatter, set_up
from etpguard.objects import Key
from etpguard.objects.log_fields import action_fields, request_fields, service_fields

Level = Literal["debug", "info", "warning", "error"]
FORBIDDEN = APIForbiddenError("nodes is forbidden", status=403, headers={})


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    """The root logger, and those that are quietened, as they were."""
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in (*QUIET_LIBRARIES, "kopf.objects"))]
    handlers, levels = list(root.handlers), [logger.level for logger in loggers]
    yield
    root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def record(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    """One of a fixed time."""
    failure = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("etpguard.web", logging.WARNING, __file__, 1, message, arguments, failure)
    made.created = 1_800_000_000.25
    return made


def test_a_line_of_text() -> None:
    line = TextFormatter().format(record("%d of %s", 2, "three"))
    assert line == "2027-01-15T08:00:00.250Z WARNING etpguard.web: 2 of three"


def test_a_line_of_json() -> None:
    line = JsonFormatter().format(record('a "quoted"\nname'))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "warning",
        "logger": "etpguard.web",
        "message": 'a "quoted"\nname',
    }


def test_the_fields_of_a_record_are_fields_of_its_line() -> None:
    made = record("applied")
    made.__dict__ |= service_fields(Key("shop", "web"), outcome="Blackhole", action="apply")
    made.__dict__ |= {"k8s_ref": {"name": "n1"}, "k8s_skip": True, "settings": object()}
    assert json.loads(JsonFormatter().format(made)) == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "warning",
        "logger": "etpguard.web",
        "message": "applied",
        "namespace": "shop",
        "service": "web",
        "outcome": "Blackhole",
        "action": "apply",
    }


def test_text_of_an_object_cannot_forge_a_line() -> None:
    line = TextFormatter().format(record("%s: skipped", "a\n2027-01-15T08:00:00.250Z INFO x: well"))
    assert line.splitlines() == [
        "2027-01-15T08:00:00.250Z WARNING etpguard.web: a\\n2027-01-15T08:00:00.250Z INFO x: well: skipped"
    ]


def test_a_traceback_is_a_field_of_its_line() -> None:
    try:
        raise ValueError("odd")
    except ValueError as error:
        line = JsonFormatter().format(record("failed", error=error))
    assert "\n" not in line
    assert json.loads(line)["error"].splitlines()[-1] == "ValueError: odd"


@pytest.mark.parametrize(
    ("level", "logger", "message", "printed"),
    [
        pytest.param("info", "etpguard.x", "ready", True, id="our own at its level"),
        pytest.param("warning", "etpguard.x", "ready", False, id="our own below it"),
        pytest.param("info", "kopf.activities", "started", False, id="a library's information"),
        pytest.param("debug", "kopf.activities", "started", True, id="which debugging shows"),
        pytest.param("debug", "kopf.objects", "Handler succeeded", False, id="but never a line an event"),
    ],
)
def test_information(
    capsys: pytest.CaptureFixture[str], level: Level, logger: str, message: str, printed: bool
) -> None:
    set_up("text", level)
    logging.getLogger(logger).info(message)
    assert (message in capsys.readouterr().err) is printed


@pytest.mark.parametrize(
    ("level", "logger", "message", "printed"),
    [
        pytest.param("info", "kopf.activities", "OS signals are ignored: not the main thread", False, id="noise"),
        pytest.param("info", "kopf.clients", "Request attempt #1 failed", False, id="a failed request of Kopf's"),
        pytest.param("debug", "kopf.clients", "Request attempt #1 failed", True, id="noise, while debugging"),
        pytest.param("info", "kopf.clients", "something else", True, id="what else Kopf warns of"),
        pytest.param("info", "etpguard.kube", "Request attempt #1 failed", True, id="our own words"),
        pytest.param("error", "aiohttp.server", "odd", False, id="a library's warning below the level"),
    ],
)
def test_warnings(
    capsys: pytest.CaptureFixture[str], level: Level, logger: str, message: str, printed: bool
) -> None:
    set_up("text", level)
    logging.getLogger(logger).warning(message)
    assert (message in capsys.readouterr().err) is printed


@pytest.mark.parametrize(
    ("level", "logger", "error", "tracebacks"),
    [
        pytest.param("info", "kopf._core.reactor", FORBIDDEN, 0, id="what the API server answered to Kopf"),
        pytest.param("debug", "kopf._core.reactor", FORBIDDEN, 1, id="while debugging"),
        pytest.param("info", "kopf._core.reactor", ValueError("odd"), 1, id="a fault of Kopf"),
        pytest.param("info", "etpguard.x", FORBIDDEN, 1, id="our own"),
    ],
)
def test_tracebacks(
    capsys: pytest.CaptureFixture[str], level: Level, logger: str, error: Exception, tracebacks: int
) -> None:
    set_up("text", level)
    logging.getLogger(logger).error("Watcher has failed: %s", error, exc_info=error)
    printed = capsys.readouterr().err
    assert f"Watcher has failed: {error}" in printed
    assert printed.count(type(error).__qualname__) == tracebacks


def test_set_up_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("text", "info")
    set_up("json", "info")
    logging.getLogger("etpguard").info("once")
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "once"


LEVELS = ("debug", "info", "warning", "error", "exception", "critical", "log")


def lines_of_code_that_log() -> list[tuple[str, bool]]:
    """Where the operator logs, and whether with structured fields."""
    found = []
    package = Path(etpguard.__file__).parent
    for file in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            by = node.func.value
            if isinstance(by, ast.Name) and by.id in ("_log", "logger") and node.func.attr in LEVELS:
                place = f"{file.relative_to(package)}:{node.lineno}"
                found.append((place, any(keyword.arg == "extra" for keyword in node.keywords)))
    return found


def test_every_line_has_fields() -> None:
    lines = lines_of_code_that_log()
    assert len(lines) > 30
    assert [place for place, fields in lines if not fields] == []


@pytest.mark.parametrize(
    "fields",
    [
        service_fields(Key("a", "b"), outcome="x", action="y"),
        action_fields("serve", path="/x"),
        request_fields("get", "services", "a", object="b"),
    ],
    ids=lambda fields: ",".join(fields),
)
def test_no_field_has_a_name_that_logging_uses_itself(fields: dict[str, str]) -> None:
    assert not fields.keys() & vars(record("")).keys()
