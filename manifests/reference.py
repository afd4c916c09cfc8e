"""docs/reference.md: every setting of `etpguard run` and every metric, from the code that has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from etpguard.assess import Assessment, Outcome, Reason
from etpguard.metrics import Metrics, State
from etpguard.objects import SERVICE, Key
from etpguard.settings import Address, Option, options

HEAD = """# Reference

Made by `python -m manifests.generated` from what `etpguard run` takes and exports.

## Settings

Each is a flag of `etpguard run` or a variable of its environment; the flag outranks the variable. In the
chart they stand under `settings` by the name of the flag, without its dashes in front (`settings.hold`). Some
have a value of their own there: `publish` (`--write-…`), `remediation.enabled`, `logFormat`,
`awsLoadBalancerController.deployment`; kubeconfig, address and Lease are the chart's own business.

A duration is `30s`, `10m` or `1h30m`; a switch takes `on` or `off`. – is none, or what the meaning says;
for those of the AWS Load Balancer Controller see
[consumers.md](consumers.md#options-of-the-aws-load-balancer-controller).

| flag | variable | default | meaning |
|---|---|---|---|
"""

NAMESPACES = """
`--namespaces` and `--skip-namespaces` say of which Services etpguard speaks: of others there are no series,
conditions, reports or Events, and none is mended. They do not narrow what is read. Lists and watches are of
the whole cluster, since nodes, classes and load balancers are, so that the ClusterRoles stay as they are.
"""

METRICS = """
## Metrics

On `/metrics`, beside those that Prometheus clients export of their own process (`process_…`). Every replica
exports those of the Services, so that rules and dashboards take the maximum over replicas. The labels
`namespace` and `service` are those of the Service that is meant: scrape with `honorLabels`.

| name | type | labels | meaning |
|---|---|---|---|
"""

NONE = "–"
_UNITS = ((3600, "h"), (60, "m"), (1, "s"))


def page() -> str:
    settings = (
        _row(f"`{each.flag}` {each.metavar}", f"`{each.environment}`", _default(each), each.help)
        for each in options()
    )
    exported = (
        _row(f"`{name}`", family.type, ", ".join(f"`{label}`" for label in labels) or NONE, family.documentation)
        for name, family, labels in families()
    )
    return HEAD + "".join(settings) + NAMESPACES + METRICS + "".join(exported)


def families() -> Iterator[tuple[str, Metric, tuple[str, ...]]]:
    """Each metric of etpguard's own by the name under which it is asked for, with its labels. Raises ValueError
    for one that shows no labels here, since nothing has been counted yet."""
    for family in text_string_to_metric_families(_exported()):
        if not family.name.startswith("etpguard_"):
            continue
        if not family.samples:
            raise ValueError(f"{family.name}: have manifests/reference.py count one, so that its labels are seen")
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label: None for sample in family.samples for label in sample.labels if label != "le"}
        yield name, family, tuple(labels)


def setting_text(value: Any) -> str:
    """A value as one writes it, "" for none."""
    match value:
        case bool():
            return "on" if value else "off"
        case float():
            return _duration(value)
        case int(many), int(seconds):
            return f"{many}/{_duration(seconds)}"
        case Address():
            return str(value)
        case None | () | frozenset():
            return ""
    return str(value)


def _default(option: Option) -> str:
    text = setting_text(option.default)
    return f"`{text}`" if text else NONE


def _duration(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _exported() -> str:
    """What a scrape gives once everything was counted."""
    service = Assessment(
        Key("shop", "web"), "uid", "NodePort", "Local", Outcome.Covered, Reason("Covered"), (), (), 0, 0, 0
    )
    state = State(
        assessments={service.key: service},
        rejected={"services": 0},
        listed={"services": 0.0},
        unread=["ingresses.networking.k8s.io"],
        fresh=True,
    )
    metrics = Metrics(lambda: state)
    metrics.correction(SERVICE, "added")
    metrics.remediation("apply", "succeeded")
    metrics.request("get", "services", 200)
    return metrics.snapshot()().decode()
