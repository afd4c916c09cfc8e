"""The Grafana dashboard, built with the Grafana SDK. dashboard.json is its output."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    GridPos,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
TITLE = "etpguard"
CLUSTER = 'cluster=~"$cluster"'
SERVICE = f'{CLUSTER},namespace=~"$namespace"'


def as_json() -> str:
    encoded: str = JSONEncoder(sort_keys=True, indent=2).encode(_dashboard().build())
    return encoded + "\n"


def expressions() -> list[str]:
    """Every query of the dashboard."""
    return [target.expr for panel in _dashboard().build().panels for target in panel.targets]


def _dashboard() -> Any:
    """Services at the top, the health of the operator below. Every query aggregates over replicas. The namespace
    is that of a Service, so it selects nothing below."""
    return (
        dashboard.Dashboard(TITLE)
        .uid("etpguard")
        .tags(["etpguard", "kubernetes"])
        .refresh("1m")
        .time("now-6h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_choice("cluster", "Cluster", "etpguard_build_info"))
        .with_variable(_choice("namespace", "Namespace", f"etpguard_service_outcome{{{CLUSTER}}}"))
        .with_panel(_number("Services that lose traffic", _services("Blackhole|NoTargets|Outage"), 0))
        .with_panel(_number("Services with uncovered nodes", _services("Uncovered"), 6))
        .with_panel(_number("Leader", f"min(max by (cluster) (etpguard_leader{{{CLUSTER}}}))", 12))
        .with_panel(_number("Picture fresh", f"min(etpguard_picture_fresh{{{CLUSTER}}})", 18))
        .with_panel(_worst())
        .with_panel(
            _lines(
                "Uncovered nodes",
                f"max by (cluster, namespace, service) (etpguard_service_uncovered_nodes{{{SERVICE}}}) > 0",
                "{{cluster}} {{namespace}}/{{service}}",
                0,
                13,
            )
        )
        .with_panel(
            _lines(
                "Services by outcome",
                "sum by (outcome) (max by (cluster, namespace, service, outcome) ("
                f"etpguard_service_outcome{{{SERVICE}}}) == 1)",
                "{{outcome}}",
                12,
                13,
            )
        )
        .with_panel(
            _lines(
                "Remediations per hour",
                f"sum by (action, result) (increase(etpguard_remediations_total{{{CLUSTER}}}[1h]))",
                "{{action}} {{result}}",
                0,
                21,
            )
        )
        .with_panel(
            _lines(
                "Failed API requests per second",
                f'sum by (verb, resource, code) (rate(etpguard_api_requests_total{{{CLUSTER},code!~"2.."}}[5m]))',
                "{{verb}} {{resource}} {{code}}",
                12,
                21,
            )
        )
        .with_panel(
            _lines(
                "Event to assessment in seconds, 99th percentile",
                "histogram_quantile(0.99, sum by (le) ("
                f"rate(etpguard_event_to_verdict_seconds_bucket{{{CLUSTER}}}[5m])))",
                "p99",
                0,
                29,
            )
        )
        .with_panel(
            _lines(
                "Age of the last list in seconds",
                f"time() - max by (cluster, kind) (etpguard_last_list_timestamp_seconds{{{CLUSTER}}})",
                "{{cluster}} {{kind}}",
                12,
                29,
            )
        )
        .with_panel(_lost())
    )


def _choice(name: str, label: str, series: str) -> Any:
    """All by default, which also matches series without the label."""
    made = dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(f"label_values({series}, {name})")
    made = made.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    everything = VariableOption(selected=True, text=["All"], value=["$__all"])
    return made.multi(True).include_all(True).all_value(".*").current(everything)


def _services(outcomes: str) -> str:
    lost = f'max by (cluster, namespace, service) (etpguard_service_outcome{{{SERVICE},outcome=~"{outcomes}"}})'
    return f"count({lost} == 1) or vector(0)"


def _query(expression: str, legend: str = "") -> Any:
    return prometheus.Dataquery().expr(expression).legend_format(legend).datasource(SOURCE).ref_id("A")


def _place(x: int, y: int, width: int, height: int) -> Any:
    return GridPos(x=x, y=y, w=width, h=height)


def _number(title: str, expression: str, x: int) -> Any:
    made = stat.Panel().title(title).datasource(SOURCE).with_target(_query(expression))
    return made.grid_pos(_place(x, 0, 6, 4))


def _worst() -> Any:
    worse = f'etpguard_service_outcome{{{SERVICE},outcome!~"Covered|NotAffected|TargetsUnhealthy"}}'
    expression = f"max by (cluster, namespace, service, outcome) ({worse}) == 1"
    query = _query(expression).instant().format(PromQueryFormat.TABLE)
    panel = table.Panel().title("Services worse than TargetsUnhealthy").datasource(SOURCE).with_target(query)
    return panel.grid_pos(_place(0, 4, 24, 9))


def _lost() -> Any:
    """From the recording rule of the group etpguard.history."""
    expression = f"sum_over_time(namespace_service:etpguard_service_lost_seconds:30s{{{SERVICE}}}[30d])"
    query = _query(expression).instant().format(PromQueryFormat.TABLE)
    panel = table.Panel().title("Seconds of lost traffic in 30 days").datasource(SOURCE).with_target(query)
    return panel.grid_pos(_place(0, 37, 24, 8))


def _lines(title: str, expression: str, legend: str, x: int, y: int) -> Any:
    panel = timeseries.Panel().title(title).datasource(SOURCE).with_target(_query(expression, legend))
    return panel.grid_pos(_place(x, y, 12, 8))
