"""A real Prometheus on loopback."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from devcluster import MissingToolError, ports
from devcluster.objects import wait_for
from devcluster.processes import running


def tool(name: str) -> str:
    """`promtool` or `prometheus`, by path."""
    found = shutil.which(name)
    if found is None:
        raise MissingToolError(f"{name} is not installed (Debian's package prometheus has it)")
    return found


class Prometheus:
    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._root}/-/ready", timeout=60) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self._root}/api/v1/{path}", timeout=60) as answer:
            return json.load(answer)["data"]

    def alerts(self, name: str) -> list[dict[str, Any]]:
        return [alert for alert in self.get("alerts")["alerts"] if alert["labels"]["alertname"] == name]

    def up(self) -> int:
        return sum(target["health"] == "up" for target in self.get("targets")["activeTargets"])


@contextmanager
def prometheus(
    folder: Path,
    rules: Path,
    targets: Sequence[tuple[int, dict[str, str]]],
    tls: Mapping[str, str] | None = None,
) -> Iterator[Prometheus]:
    """Scrapes (port, labels of the target) each second with honor_labels, as the ServiceMonitor has it. `tls` is
    the tls_config of a scrape over HTTPS."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": "etpguard",
                "honor_labels": True,
                **({"scheme": "https", "tls_config": dict(tls)} if tls else {}),
                "static_configs": [{"targets": [f"127.0.0.1:{p}"], "labels": labels} for p, labels in targets],
            }
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    port = ports.free("127.0.0.1")
    command = [
        tool("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running("Prometheus", command, folder / "prometheus.log"):
        server = Prometheus(port)
        wait_for(server.ready, 60, "Prometheus")
        yield server
