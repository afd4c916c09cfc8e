"""A real headless Chromium, driven by its DevTools protocol over a web socket.

https://chromedevtools.github.io/devtools-protocol/ describes the methods and events.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

from devcluster import MissingToolError, processes
from devcluster.objects import wait_for
from devcluster.processes import Process

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
AXE = Path(__file__).parent / "axe" / "axe.min.js"
WAIT_SECONDS = 60.0
_OPTIONS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--hide-scrollbars",
    "--mute-audio",
    # A request to another host is an error, wherever it would go.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)

Json = dict[str, Any]


class Tab:
    """One tab with its own list of events. Each call waits for its answer."""

    def __init__(self, url: str) -> None:
        self._socket = websocket.create_connection(url, timeout=WAIT_SECONDS, suppress_origin=True)
        self._calls = 0
        self.events: list[Json] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Json:
        """The result of a method of the protocol. Raises AssertionError with the browser's error."""
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while (message := json.loads(self._socket.recv())).get("id") != self._calls:
            self.events.append(message)
        assert "error" not in message, message["error"]
        result: Json = message["result"]
        return result

    def open(self, url: str) -> None:
        """Load a page and wait until all of it is there."""
        del self.events[:]
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives; a promise is waited for."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = WAIT_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < end, f"not true within {seconds} s: {expression}"
            time.sleep(0.02)

    def texts(self, selector: str) -> list[str]:
        """The text of each element, as it is shown, with single spaces."""
        found = self.value(f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.innerText)")
        return [" ".join(text.split()) for text in found]

    def press(self, key: str, text: str = "") -> None:
        """Press and release a key: "Tab", "Enter", a character."""
        codes = {"Tab": 9, "Enter": 13, " ": 32}
        key_event = {"key": key, "windowsVirtualKeyCode": codes.get(key, ord(key[0])), "text": text}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **key_event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **key_event)

    def show(self, *, scheme: str = "light", media: str = "", width: int = 1280, height: int = 900) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def violations(self) -> list[str]:
        """What axe-core finds, an entry for each rule and element."""
        self.value(f"{AXE.read_text()}; undefined")
        found = self.value("axe.run(document, {resultTypes: ['violations']})")
        return [f"{each['id']}: {node['html']}" for each in found["violations"] for node in each["nodes"]]

    def picture(self, path: Path) -> None:
        """A WebP of what the window shows."""
        self.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")
        shot = self.call("Page.captureScreenshot", format="webp", quality=75)
        path.write_bytes(base64.b64decode(shot["data"]))

    @property
    def problems(self) -> list[str]:
        """What the console shows as an error or a warning, and exceptions of scripts."""
        self.call("Runtime.getIsolateId")  # events that are under way come before its answer
        found = []
        for event in self.events:
            parameters = event.get("params", {})
            match event["method"]:
                case "Runtime.exceptionThrown":
                    found.append(str(parameters["exceptionDetails"]))
                case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                    found.append(str(parameters["args"]))
                case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
                    found.append(parameters["entry"]["text"])
        return found

    @property
    def requests(self) -> list[str]:
        """The addresses that the page asked for."""
        self.call("Runtime.getIsolateId")
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def close(self) -> None:
        self._socket.close()


class Browser:
    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"

    @contextmanager
    def tab(self) -> Iterator[Tab]:
        request = urllib.request.Request(f"{self._address}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer:
            target = json.load(answer)
        tab = Tab(target["webSocketDebuggerUrl"])
        try:
            yield tab
        finally:
            tab.close()
            urllib.request.urlopen(f"{self._address}/json/close/{target['id']}", timeout=WAIT_SECONDS).close()


def program() -> str:
    """The Chromium of this machine. Raises MissingToolError."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise MissingToolError("there is no Chromium on PATH: install the package chromium")
    return found


@contextmanager
def running(options: Sequence[str] = ()) -> Iterator[Browser]:
    """A browser with an empty profile, ended on leaving. Raises MissingToolError."""
    command = program()
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with tempfile.TemporaryDirectory(prefix="etpguard-browser-", ignore_cleanup_errors=True) as profile:
        folder = Path(profile)
        arguments = [command, *_OPTIONS, *sandbox, *options, f"--user-data-dir={profile}", "about:blank"]
        environment = {**os.environ, "HOME": profile}
        with processes.running("the browser", arguments, folder / "browser.log", environment) as process:
            yield Browser(_port(process, folder / "DevToolsActivePort"))


def _port(process: Process, file: Path) -> int:
    """The browser writes its port to this file once it listens."""

    def written() -> list[str]:
        process.require_running()
        lines = file.read_text().splitlines() if file.exists() else []
        return lines if len(lines) > 1 else []

    return int(wait_for(written, WAIT_SECONDS, "the browser to listen")[0])
