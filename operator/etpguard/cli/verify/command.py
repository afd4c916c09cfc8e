"""The flow of `etpguard verify`: read, predict, try, compare, sum up."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from etpguard.cli.errors import Failure
from etpguard.cli.input.files import read, shown
from etpguard.cli.input.sources import Assessed, Sources, assess
from etpguard.cli.output.streams import deliver, warn
from etpguard.objects import ENDPOINT_SLICE, NODE, SERVICE, IPFamily, Key
from etpguard.objects.text import did_you_mean, listed_nodes

if TYPE_CHECKING:
    from etpguard.assess import Assessment
    from etpguard.cli.verify.wire import Endpoint
    from etpguard.verification import Judged, Predictions, Viewpoint

MAX_NODES = 50
EXIT_CODES = {"agrees": 0, "differs": 1, "inconclusive": 3}


@dataclass(frozen=True)
class VerifyRequest:
    """`nodes` are names. Without names, at most `max_nodes` eligible nodes are tried; 0 for all. `addresses_file`
    and `target_health` are paths, "-" for stdin, "" for none."""

    sources: Sources
    name: str
    nodes: Sequence[str] = ()
    max_nodes: int = MAX_NODES
    address_type: Literal["InternalIP", "ExternalIP"] = "InternalIP"
    addresses_file: str = ""
    target_health: str = ""
    output: str = "table"


def verify(request: VerifyRequest) -> int:
    """Print the comparison. Returns one of EXIT_CODES. Raises Failure."""
    assessed = assess(request.sources)
    key = Key(assessed.namespace, request.name)
    assessment = _local(assessed, key)
    if assessed.loaded.anonymized and not request.addresses_file:
        raise Failure(f"{assessed.loaded.where}: {_anonymized(request)}")
    if request.target_health:
        return _against_targets(request, assessed, assessment)
    return _against_the_wire(request, assessed, assessment)


def _anonymized(request: VerifyRequest) -> str:
    """Why verify does nothing with an anonymized dump: its addresses are those of strangers."""
    if request.target_health:
        return "the dump is anonymized, so no target has the provider ID or the address of one of its nodes"
    return (
        "the dump is anonymized, so its addresses are not those of the nodes. Give the addresses with "
        "--from-file, by the names of the dump"
    )


def _local(assessed: Assessed, key: Key) -> Assessment:
    from etpguard.cli.explain.command import not_found

    service = assessed.loaded.picture.get(SERVICE, key)
    if service is None:
        raise Failure(not_found(assessed, key))
    assessment = assessed.assessments.get(key)
    if assessment is None or assessment.if_local is not None:
        raise Failure(
            f"Service {key}: its externalTrafficPolicy is {service.policy}; verify predicts only for Local that "
            f"is reachable from outside. etpguard explain {key} says more"
        )
    if assessment.reason.code in ("DataPlaneNotModelled", "NoEndpointSlices", "UnreadableEndpointSlice"):
        from etpguard.report import explain_reason

        raise Failure(f"Service {key}: its node states are not known: {explain_reason(assessment)}")
    return assessment


def _against_the_wire(request: VerifyRequest, assessed: Assessed, assessment: Assessment) -> int:
    from etpguard.cli.verify import show
    from etpguard.verification import conclude
    from etpguard.verification.predictions import is_port

    predictions = _predictions(request, assessed, assessment)
    if not predictions.rows:
        raise Failure(
            f"Service {assessment.key}: nothing to connect to: {'; '.join(predictions.notes) or 'no node'}"
        )
    service = assessed.loaded.picture.get(SERVICE, assessment.key)
    assert service is not None
    notes = list(predictions.notes)
    health_port = service.spec.health_check_node_port or 0
    if health_port and not is_port(health_port):
        notes.append(f"healthCheckNodePort is not asked: it is {health_port}")
        health_port = 0
    rows = _tried(assessed, predictions, health_port)
    if not request.sources.files and any(row.verdict.value == "differs" for row in rows):
        rows = _without_changed(request, predictions, rows)
    conclusion = conclude(rows, str(assessment.key))
    deliver(lambda: show.wire(request.output, assessment.key, rows, conclusion))
    if predictions.left_out:
        nodes = "node is" if predictions.left_out == 1 else "nodes are"
        notes.append(f"{predictions.left_out} more eligible {nodes} not tried (--max-nodes 0 for all)")
    warn([*notes, *assessed.warnings])
    return EXIT_CODES[conclusion.verdict.value]


def _predictions(request: VerifyRequest, assessed: Assessed, assessment: Assessment) -> Predictions:
    from etpguard.verification.predictions import eligible_nodes, node_addresses, predict, spread_over_states

    picture = assessed.loaded.picture
    table, nodes = picture.nodes, picture.store(NODE)
    unknown = [name for name in request.nodes if nodes.get(Key("", name)) is None]
    if unknown:
        near = did_you_mean(unknown[0], (node.metadata.name for node in nodes))
        raise Failure(f"no Node {unknown[0]} in {assessed.loaded.where}{near}")
    wanted = 0
    for name in request.nodes:
        wanted |= table.bit(name)
    wanted = wanted or eligible_nodes(assessment)
    addresses: Mapping[str, Sequence[str]] = node_addresses(nodes, request.address_type)
    notes: list[str] = []
    if request.addresses_file:
        addresses = _addresses_of(request.addresses_file)
        notes += [f"there is no Node {name}" for name in addresses if nodes.get(Key("", name)) is None]
        unnamed = [name for name in table.names(wanted) if name not in addresses]
        for name in unnamed:
            wanted &= ~table.bit(name)
        if unnamed:
            notes.append(f"{shown(request.addresses_file)} has no address of {listed_nodes(unnamed)}")
    chosen = spread_over_states(assessment, table, wanted, 0 if request.nodes else request.max_nodes)
    states = assessed.engine.states(assessment.key)
    assert states is not None
    made = predict(assessment, table, chosen, addresses, states)
    return replace(made, left_out=wanted.bit_count() - len(chosen), notes=(*made.notes, *notes))


def _addresses_of(path: str) -> dict[str, list[str]]:
    """The addresses by node, from lines of `NODE ADDRESS`. A # starts a comment."""
    from etpguard.objects.addresses import canonical, family_of

    found: dict[str, list[str]] = {}
    for number, line in enumerate(read(path).decode(errors="replace").splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or family_of(words[1]) is None:
            raise Failure(f"{shown(path)}: line {number}: not NODE ADDRESS with an IP address")
        found.setdefault(words[0], []).append(canonical(words[1]))
    if not found:
        raise Failure(f"{shown(path)}: no line with NODE ADDRESS")
    return found


def _tried(assessed: Assessed, predictions: Predictions, health_port: int) -> list[Judged]:
    from etpguard.cli.verify.wire import Endpoint, try_all
    from etpguard.verification import Answer, judge_connection

    ports = {row: Endpoint(row.family, row.address, row.node_port) for row in predictions.rows}
    checks: dict[tuple[str, IPFamily], Endpoint] = {}
    for row in predictions.rows if health_port else ():
        if (row.node, row.family) in predictions.health:
            checks[row.node, row.family] = Endpoint(row.family, row.address, health_port)
    progress = _Progress(len({*ports.values(), *checks.values()}))
    connections, answers = asyncio.run(try_all(set(ports.values()), set(checks.values()), progress.show))
    progress.end()
    viewpoint = _viewpoint(assessed)
    rows = []
    for row, at in ports.items():
        asked, connection = checks.get((row.node, row.family)), connections[at]
        routed = connection.source or connection.answer is not Answer.UNREACHABLE
        rows.append(
            judge_connection(
                row,
                connection,
                answers[asked] if asked else None,
                expects_local=predictions.health[row.node, row.family] if asked else None,
                inside=viewpoint.inside(connection.source) if routed else "",
            )
        )
    return rows


def _viewpoint(assessed: Assessed) -> Viewpoint:
    from etpguard.objects.addresses import canonical
    from etpguard.verification import Viewpoint

    picture = assessed.loaded.picture
    nodes = {
        canonical(address.address): node.metadata.name
        for node in picture.store(NODE)
        for address in (node.status and node.status.addresses) or ()
    }
    pods = frozenset(
        canonical(address)
        for slice_ in picture.store(ENDPOINT_SLICE)
        for endpoint in slice_.endpoints or ()
        for address in endpoint.addresses or ()
    )
    networks = [network for node in picture.store(NODE) for network in (node.spec and node.spec.pod_cidrs) or ()]
    return Viewpoint(nodes, networks, pods - nodes.keys(), in_pod="KUBERNETES_SERVICE_HOST" in os.environ)


def _without_changed(request: VerifyRequest, before: Predictions, rows: Sequence[Judged]) -> list[Judged]:
    """The rows. A row that differs only because the cluster has changed in between becomes inconclusive."""
    from etpguard.verification import Verdict

    assessed = assess(request.sources)
    after = _predictions(request, assessed, _local(assessed, Key(assessed.namespace, request.name)))
    if (after.rows, after.health) == (before.rows, before.health):
        return list(rows)
    why = "the prediction changed while etpguard tried it: run this again"
    return [
        replace(row, verdict=Verdict.INCONCLUSIVE, reason=why) if row.verdict is Verdict.DIFFERS else row
        for row in rows
    ]


class _Progress:
    """A counter on standard error, if that is a terminal."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._shown = sys.stderr.isatty()

    def show(self, done: int) -> None:
        if self._shown:
            print(f"\r{done} of {self._total} answers", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _against_targets(request: VerifyRequest, assessed: Assessed, assessment: Assessment) -> int:
    from etpguard.cli.verify import show
    from etpguard.cli.verify.targets import compare_targets

    where = request.target_health
    rows, verdict, sentence = compare_targets(assessed, assessment, shown(where), read(where))
    deliver(lambda: show.targets(request.output, assessment.key, rows, verdict, sentence))
    warn(assessed.warnings)
    return EXIT_CODES[verdict.value]
