"""The fields of `internal[]` in a CoverageReport, for docs/api.md: paths, types and texts."""

from __future__ import annotations

STATES = (
    ("ready", "Ready nodes with a ready endpoint: clients on them reach it."),
    ("terminating", "Ready nodes without one that still forward to terminating endpoints."),
    ("dropped", "Ready nodes without a usable endpoint, while other nodes have one: connections fail."),
    ("rejected", "Ready nodes that refuse connections, because no endpoint is usable anywhere."),
    ("unknown", "Ready nodes whose state is not known."),
)
FIELDS = (
    ("internal[]", "object", "A Service with `internalTrafficPolicy: Local` and a cluster IP, for clients in the "
     "cluster.", False),
    ("internal[].namespace", "string", "Namespace of the Service.", False),
    ("internal[].name", "string", "Name of the Service.", False),
    ("internal[].type", "string", "Type of the Service.", False),
    ("internal[].outcome", "string", "`Covered`, `NoEndpoints`, `Unknown` or `Uncovered`: the worst of its ports.",
     False),
    ("internal[].reason", "string", "Why, in words.", False),
    ("internal[].counts", "object", "Totals of the nodes.", False),
    ("internal[].counts.eligible", "integer", "All Ready nodes.", False),
    ("internal[].counts.uncovered", "integer", "Number of uncovered nodes.", False),
    ("internal[].counts.unknown", "integer", "Number of nodes whose state is not known.", False),
    ("internal[].uncoveredNodes", "list of names", "Ready nodes that drop the traffic of clients on them.", False),
    ("internal[].unknownNodes", "list of names", "Ready nodes whose state is not known.", False),
    ("internal[].ports[]", "object", "A service port, in one family.", False),
    ("internal[].ports[].port", "string", "Name of the port; empty for the unnamed one.", False),
    ("internal[].ports[].number", "integer", "Number of the port.", False),
    ("internal[].ports[].protocol", "string", "`TCP`, `UDP` or `SCTP`.", False),
    ("internal[].ports[].family", "string", "`IPv4` or `IPv6`.", False),
    ("internal[].ports[].outcome", "string", "The outcome of the port.", False),
    ("internal[].ports[].reason", "string", "The reason of that outcome.", False),
    *((f"internal[].ports[].{name}", "list of names", text, False) for name, text in STATES),
    ("internal[].ports[].client", "string or null", "What a client meets on nodes that do not forward: `timeout`, "
     "`refused`, `timeout or refused` or `not known`. `null` if all forward.", False),
    ("internal[].ports[].counts", "object", "Totals of the lists beside it.", False),
    *((f"internal[].ports[].counts.{name}", "integer", f"Nodes in `{name}`.", False) for name, _ in STATES),
    ("internal[].advice[]", "string", "What to do, best first.", False),
    ("internal[].assumptions", "list of strings", "What the outcome takes for true without proof.", False),
    ("internal[].causes[]", "object", "Why nodes have no usable endpoint, an entry for the same reasons. "
     "Empty if no node is uncovered.", False),
    ("internal[].causes[].reasons[]", "object", "One reason.", False),
    ("internal[].causes[].reasons[].cause", "string", "A code, such as `UntoleratedTaint`, `PodNotReady` or "
     "`Rollout`. `NotRead`: Pods or workloads could not be read.", False),
    ("internal[].causes[].reasons[].message", "string", "The reason in words.", False),
    ("internal[].causes[].reasons[].workload", "string", "The workload, as `KIND NAMESPACE/NAME`.", True),
    ("internal[].causes[].nodes", "list of names", "The nodes.", False),
    ("internal[].causes[].pods", "list of names", "The pods on them that should serve: `NAMESPACE/NAME`.", False),
    ("internal[].causes[].counts", "object", "Totals of the lists beside it.", False),
    ("internal[].causes[].counts.nodes", "integer", "Number of nodes.", False),
    ("internal[].causes[].counts.pods", "integer", "Number of pods.", False),
    ("internal[].clients", "object or null", "The pods on uncovered nodes. Their connections to the Service fail. "
     "`null` if Pods could not be read, or no node is uncovered.", False),
    ("internal[].clients.owners[]", "object", "The pods of one owner. The ten owners with most pods are listed.",
     False),
    ("internal[].clients.owners[].kind", "string", "Kind of the owner; `Pod` for a bare or a static pod.", False),
    ("internal[].clients.owners[].namespace", "string", "Its namespace.", False),
    ("internal[].clients.owners[].name", "string", "Its name.", False),
    ("internal[].clients.owners[].pods", "integer", "Its pods on uncovered nodes.", False),
    ("internal[].clients.owners[].nodes", "integer", "The uncovered nodes that they run on.", False),
    ("internal[].clients.counts", "object", "Totals.", False),
    ("internal[].clients.counts.owners", "integer", "Number of owners.", False),
    ("internal[].clients.counts.pods", "integer", "Number of pods of all owners.", False),
)  # fmt: skip
