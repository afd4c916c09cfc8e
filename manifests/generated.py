"""The files that are made from others, so that nothing is written twice: `python -m manifests.generated` writes
them, the tests compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from manifests.monitoring import dashboard

ROOT = Path(__file__).parents[1]
MONITORING = ROOT / "manifests" / "monitoring"
CHART = ROOT / "manifests" / "chart" / "etpguard"


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Lists stand further in than the key that holds them."""
        super().increase_indent(flow, False)


def files() -> dict[Path, str]:
    """Each generated file with its content."""
    rules = (MONITORING / "rules.yaml").read_text()
    board = dashboard.as_json()
    crds = {CHART / "crds" / file.name: file.read_text() for file in sorted((ROOT / "crds").glob("*.yaml"))}
    pages = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
    runbooks = {CHART / "files" / "runbooks" / page.name: page.read_text() for page in pages}
    return {
        MONITORING / "prometheus-rule.yaml": _prometheus_rule(rules),
        MONITORING / "dashboard.json": board,
        CHART / "files" / "rules.yaml": rules,
        CHART / "files" / "dashboard.json": board,
        **crds,
        **runbooks,
    }


def _prometheus_rule(rules: str) -> str:
    """The same groups as an object of the Prometheus Operator."""
    service_monitor: dict[str, Any] = yaml.safe_load((MONITORING / "service-monitor.yaml").read_text())
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": service_monitor["metadata"],
        "spec": yaml.safe_load(rules),
    }
    body = yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=110)
    return f"# Made from rules.yaml by manifests/generated.py.\n{body}"


def main() -> None:
    for path, content in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


if __name__ == "__main__":
    main()
