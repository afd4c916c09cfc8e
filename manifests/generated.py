"""Writes the files that are generated from others: `python -m manifests.generated`. The tests compare them."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

from etpguard import __version__
from etpguard.remediate import reasons
from etpguard.settings import Option, options
from manifests import alerts, api_page, chart_page, cli_page, consumers, data_planes, examples, reference, roles
from manifests.monitoring import dashboard

ROOT = Path(__file__).parents[1]
MONITORING = ROOT / "manifests" / "monitoring"
CHART = ROOT / "manifests" / "chart" / "etpguard"
CONSUMERS_PAGE = ROOT / "docs" / "consumers.md"
DATA_PLANES_PAGE = ROOT / "docs" / "data-planes.md"
PAGING_PAGE = ROOT / "docs" / "paging.md"
REMEDIATION_PAGE = ROOT / "docs" / "remediation.md"
READER_ROLE = ROOT / "operator" / "etpguard" / "cli" / "reader_role.yaml"
WARN_ON_APPLY = ROOT / "manifests" / "overlays" / "warn-on-apply" / "admission-policy.yaml"
POLICY_SCHEMAS = ROOT / "operator" / "etpguard" / "cli" / "policy_schemas.json"

SET_BY_CHART = frozenset(
    {
        # By values of their own.
        "write_conditions",
        "write_reports",
        "write_events",
        "remediation",
        "log_format",
        "aws_lbc_deployment",
        "skip_api_groups",
        "tls_cert_file",
        "tls_private_key_file",
        # By the Deployment.
        "kubeconfig",
        "context",
        "listen",
        "lease_namespace",
        "lease_name",
        "leader_elect",
    }
)
"""The settings that are not under the chart's `settings`."""


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key."""
        super().increase_indent(flow, False)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Keep the line breaks of a text with several lines."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def files() -> dict[Path, str]:
    """The content of each generated file, by path."""
    rules = (MONITORING / "rules.yaml").read_text()
    values = _with_settings((CHART / "values.yaml").read_text())
    board = dashboard.as_json()
    crds = {CHART / "crds" / file.name: file.read_text() for file in sorted((ROOT / "crds").glob("*.yaml"))}
    pages = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
    runbooks = {CHART / "files" / "runbooks" / page.name: page.read_text() for page in pages}
    return {
        MONITORING / "prometheus-rule.yaml": _prometheus_rule(rules),
        MONITORING / "dashboard.json": board,
        CHART / "files" / "rules.yaml": rules,
        CHART / "files" / "optional-rules.yaml": (MONITORING / "optional-rules.yaml").read_text(),
        CHART / "files" / "dashboard.json": board,
        ROOT / "docs" / "reference.md": reference.page(),
        ROOT / "docs" / "api.md": api_page.page(),
        ROOT / "docs" / "cli.md": cli_page.page(),
        CHART / "values.yaml": values,
        CHART / "README.md": chart_page.page(values),
        CHART / "values.schema.json": _with_generated_schemas((CHART / "values.schema.json").read_text()),
        ROOT / "manifests" / "base" / "rbac-data-planes.yaml": data_planes.base(__version__),
        CHART / "templates" / "rbac-data-planes.yaml": data_planes.chart(),
        CONSUMERS_PAGE: _with_consumers(CONSUMERS_PAGE.read_text()),
        DATA_PLANES_PAGE: _with_table(
            DATA_PLANES_PAGE.read_text(), "table of data plane objects", data_planes.table()
        ),
        PAGING_PAGE: _with_table(PAGING_PAGE.read_text(), "table of alerts", alerts.table()),
        REMEDIATION_PAGE: _with_reasons(REMEDIATION_PAGE.read_text()),
        READER_ROLE: roles.manifest(),
        ROOT / "manifests" / "base" / "rbac-reader.yaml": roles.manifest(),
        CHART / "templates" / "rbac-reader.yaml": roles.template(),
        CHART / "templates" / "warn-on-apply.yaml": _warning_template(WARN_ON_APPLY.read_text()),
        POLICY_SCHEMAS: json.dumps(_policy_schemas(), indent=1) + "\n",
        **crds,
        **examples.files(),
        **runbooks,
    }


def chart_settings() -> list[Option]:
    """The settings that the chart has under `settings`, by the name of their flag."""
    return [option for option in options() if option.of_run and option.name not in SET_BY_CHART]


def _with_settings(values: str) -> str:
    """The chart's values with a comment for each of `settings`, between the key and the next blank line."""
    head, found, rest = values.partition("settings: {}\n")
    _, _, tail = rest.partition("\n\n")
    lines = []
    for option in chart_settings():
        lines += textwrap.wrap(
            option.help, 110, initial_indent="  # ", subsequent_indent="  # ", break_on_hyphens=False
        )
        lines.append(f"  # {option.flag.removeprefix('--')}: {json.dumps(option.default_text)}")
    return "\n".join([f"{head}{found.rstrip()}", *lines, "", tail])


def alert_names() -> list[str]:
    """The names of all alerts, the optional ones last."""
    files = (yaml.safe_load((MONITORING / name).read_text()) for name in ("rules.yaml", "optional-rules.yaml"))
    rules = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return [rule["alert"] for rule in rules if "alert" in rule]


def _with_generated_schemas(text: str) -> str:
    """The schema of the values with that of each setting and that of each alert."""
    schema = json.loads(text)
    schemas = {option.flag.removeprefix("--"): dict(option.type.schema) for option in chart_settings()}
    schema["properties"]["settings"]["properties"] = schemas
    rules = schema["properties"]["monitoring"]["properties"]["rules"]["properties"]
    rules["alerts"]["properties"] = {name: {"$ref": "#/definitions/alert"} for name in alert_names()}
    _require(schema, yaml.safe_load((CHART / "values.yaml").read_text()))
    return json.dumps(schema, indent=2) + "\n"


def _require(schema: Any, defaults: dict[str, Any]) -> None:
    """Refuse to remove a default, as `null` does, where the templates need one: all but what is empty by default,
    and maps with any keys. A switch that is absent would be off, and a list of ports would allow all of them."""
    known = schema.get("properties", {})
    free = {name for name, inner in known.items() if inner.get("type") == "object" and "properties" not in inner}
    free.add("maxUnavailable")  # minAvailable may replace it
    needed = [name for name in known if name not in free and defaults.get(name) not in (None, "", [], {})]
    if needed:
        schema["required"] = needed
    for name in needed:
        if isinstance(defaults[name], dict):
            _require(known[name], defaults[name])


def _prometheus_rule(rules: str) -> str:
    """The same groups as a PrometheusRule of the Prometheus Operator."""
    service_monitor: dict[str, Any] = yaml.safe_load((MONITORING / "service-monitor.yaml").read_text())
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": service_monitor["metadata"],
        "spec": yaml.safe_load(rules),
    }
    body = yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=110)
    return f"# Generated from rules.yaml by manifests/generated.py.\n{body}"


def _warning_template(manifest: str) -> str:
    """The policy of the overlay in the chart, with the names and the labels of a release."""
    named = manifest.replace("ame: etpguard-warn-on-apply", 'ame: {{ include "etpguard.name" . }}-warn-on-apply')
    labelled = re.sub(
        r"(    app\.kubernetes\.io/\w+: .*\n)+(?=spec:)",
        '    {{- include "etpguard.labels" . | nindent 4 }}\n',
        named,
    )
    return f"{{{{- if .Values.warnOnApply.enabled }}}}\n{labelled}{{{{- end }}}}\n"


def _with_reasons(page: str) -> str:
    """The page with its tables of reason codes, each between a comment that names it and `<!-- end -->`."""
    for name, listed in (
        ("left alone", reasons.LEFT_ALONE),
        ("acted on", (*reasons.ACTED_ON, *reasons.OF_CONDITIONS)),
    ):
        page = _with_table(page, f"table of reasons: {name}", reasons.table(listed))
    return page


def _with_consumers(page: str) -> str:
    """The page with its entries of consumers and its table of kinds."""
    page = _with_table(page, "entries of consumers", consumers.entries())
    return _with_table(page, "table of kinds", consumers.kinds())


def _with_table(page: str, name: str, table: str) -> str:
    """The page with this table between the comment `name` and `<!-- end -->`."""
    head, found, rest = page.partition(f"<!-- {name} -->\n")
    _, end, tail = rest.partition("<!-- end -->")
    return f"{head}{found}{table}{end}{tail}"


def _policy_schemas() -> dict[str, Any]:
    """By kind: the schema of `spec` from the CRD, against which `etpguard check --policy` validates a file."""
    found = {}
    for plural in ("coveragepolicies", "clustercoveragepolicies"):
        crd = yaml.safe_load((ROOT / "crds" / f"{plural}.yaml").read_text())["spec"]
        whole = crd["versions"][0]["schema"]["openAPIV3Schema"]
        found[crd["names"]["kind"]] = _bare(whole["properties"]["spec"])
    return found


def _bare(schema: Any) -> Any:
    """The schema without keys that do not affect validity, and without CEL rules, which are not evaluated."""
    if not isinstance(schema, dict):
        return schema
    idle = ("description", "default", "format", "x-kubernetes-map-type", "x-kubernetes-validations")
    left = {key: value for key, value in schema.items() if key not in idle}
    if "properties" in left:
        left["properties"] = {name: _bare(inner) for name, inner in left["properties"].items()}
    for inside in ("items", "additionalProperties"):
        if inside in left:
            left[inside] = _bare(left[inside])
    return left


def main() -> None:
    for path, content in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


if __name__ == "__main__":
    main()
