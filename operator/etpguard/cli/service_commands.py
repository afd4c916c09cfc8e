"""The commands about one Service: `explain` and `verify`, with their options."""

from __future__ import annotations

from typing import Any

import click

from etpguard.cli.common_options import (
    max_nodes,
    only,
    output_format,
    service_name,
    service_namespace,
    sources,
    take_sources,
)

_VERIFY_OPTIONS = ("nodes", "max_nodes", "address_type", "addresses_file", "target_health", "output")


@click.command(short_help="Explain the outcome of one Service.")
@click.argument("service", metavar="NAMESPACE/SERVICE")
@sources
@service_namespace
@output_format("text", "json")
@max_nodes(10, "show at most this many nodes of each state; 0 for all")
@click.option(
    "--hand-off",
    is_flag=True,
    help="also say whether requests are lost when the last pod of a node ends; reads Pods and workloads",
)
@click.option(
    "--patch",
    is_flag=True,
    help="print only the advice, as documents for `kubectl patch`, `kubectl apply` or `helm upgrade`, each after "
    "a comment; reads Pods and workloads. With -o json the explanation has these documents",
)
@click.option(
    "--way",
    type=click.IntRange(min=1),
    metavar="N",
    help="with --patch: print only the documents of the advice with this number",
)
def explain(service: str, namespace: str | None, **options: Any) -> int:
    """Explain the outcome of one Service, and show what to do.

    Shows its ports, the state of each node, its consumers (what sends traffic to it), and advice.

    \b
    Exit codes:
      0  the Service was explained, whatever its outcome
      2  the Service does not exist, or could not be explained
    """
    from etpguard.cli.explain.command import ExplainOptions
    from etpguard.cli.explain.command import explain as run_explain

    space, name = service_name(service, namespace)
    own = ExplainOptions(
        **{field: options.pop(field) for field in ("max_nodes", "hand_off", "patch", "way", "output")}
    )
    if own.way is not None and not own.patch:
        raise click.UsageError("--way needs --patch")
    if own.way is not None and own.output != "text":
        raise click.UsageError("--way and -o json exclude each other")
    return run_explain(take_sources(options, only(space)), name, own)


@click.command(short_help="Compare the prediction for one Service with real connections.")
@click.argument("service", metavar="NAMESPACE/SERVICE")
@sources
@service_namespace
@click.option("--node", "nodes", multiple=True, metavar="NAME", help="try this node; can be repeated")
@max_nodes(50, "try at most this many eligible nodes; 0 for all")
@click.option(
    "--address-type",
    type=click.Choice(["InternalIP", "ExternalIP"]),
    default="InternalIP",
    show_default=True,
    help="the addresses of the nodes to connect to",
)
@click.option(
    "--from-file",
    "addresses_file",
    default="",
    metavar="FILE|-",
    help="connect only to the nodes in this file, one NODE ADDRESS on each line",
)
@click.option(
    "--target-health",
    default="",
    metavar="FILE|-",
    help="compare with the health of the targets by the load balancer, and connect to nothing. The file is the "
    "JSON of `aws elbv2 describe-target-health`, of `gcloud compute backend-services get-health --format=json`, "
    "or of Azure's health per load balancing rule",
)
@output_format("table", "json")
def verify(service: str, namespace: str | None, **options: Any) -> int:
    """Compare what etpguard predicts for one Service with real connections.

    Connects from your machine by TCP, once, to the node ports of each eligible node, and asks its
    healthCheckNodePort. It sends nothing on the connections. Run it outside of the cluster: connections from a
    node or a pod are internal traffic and prove nothing.

    \b
    Exit codes:
      0  every node behaves as predicted
      1  a node behaves differently
      2  the comparison could not be completed
      3  inconclusive: no node behaves differently, but some predictions are not proven
    """
    from etpguard.cli.verify.command import VerifyRequest
    from etpguard.cli.verify.command import verify as run_verify

    space, name = service_name(service, namespace)
    own = {field: options.pop(field) for field in _VERIFY_OPTIONS}
    for option, flag in (("nodes", "--node"), ("addresses_file", "--from-file")):
        if own["target_health"] and own[option]:
            raise click.UsageError(f"--target-health and {flag} exclude each other")
    if "-" in options["files"] and "-" in (own["addresses_file"], own["target_health"]):
        raise click.UsageError("stdin cannot be both -f and the file of another option")
    return run_verify(VerifyRequest(take_sources(options, only(space)), name, **own))
