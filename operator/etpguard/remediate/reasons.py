"""Every reason code of remediation, with what it means and what to do about it. Pure.

`decide`, the status and the conditions of a policy, Events and `check --policy` use these and no other codes. The
tables in docs/remediation.md are generated from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from etpguard.assess import Reason
from etpguard.objects.policies import TriggerIf
from etpguard.remediate.facts import ROLLBACK_BUDGET


@dataclass(frozen=True, slots=True)
class RemediationReason:
    """`code` is CamelCase and a contract; `meaning` is one sentence without its period; `what_to_do` is for the
    engineer who reads the code, in Markdown."""

    code: str
    meaning: str
    what_to_do: str

    def because(self, detail: str = "") -> Reason:
        """The reason with the facts of one case, or with its general meaning."""
        return Reason(self.code, detail or self.meaning)


# Why a Service is left alone, in the order of the checks.
PICTURE_NOT_FRESH = RemediationReason(
    "PictureNotFresh",
    "the operator's picture of the cluster is not complete or not recent",
    "`/readyz` names the kind that the operator waits for",
)
NOT_READABLE = RemediationReason(
    "NotReadable",
    "the operator cannot read a kind that remediation depends on",
    "`/readyz` names the kind; grant `list` and `watch` on it, or install its CRD",
)
BEHIND = RemediationReason(
    "Behind",
    "the operator has not yet received its own last write from the watch",
    "Nothing; the next event or list resolves it",
)
RECORD_UNREADABLE = RemediationReason(
    "RecordUnreadable",
    "the operator cannot read its record of the Service, because a later version of etpguard or another program "
    "wrote it",
    "Upgrade the operator. If etpguard did not change the Service, delete its ServiceCoverage",
)
NO_POLICY = RemediationReason(
    "NoPolicy", "no policy selects the Service", "To remediate it, select it in a policy"
)
DELETING = RemediationReason("Deleting", "the Service is being deleted", "Nothing")
NAMESPACE_TERMINATING = RemediationReason(
    "NamespaceTerminating", "the namespace of the Service is being deleted", "Nothing"
)
NAMESPACE_UNREADABLE = RemediationReason(
    "NamespaceUnreadable",
    "the operator cannot read namespaces, so it does not know whether the namespace is being deleted",
    "Let the operator list and watch namespaces",
)
CONTROLLED = RemediationReason(
    "Controlled",
    "another object controls the Service and would restore Local",
    "Set Cluster in the object that controls the Service; the message names it",
)
NOT_LOCAL = RemediationReason("NotLocal", "the Service does not have externalTrafficPolicy Local", "Nothing")
CHANGED = RemediationReason(
    "Changed",
    "the Service or something that it depends on changed since the assessment",
    "Nothing; the next assessment resolves it",
)
OUTCOME_NEVER_REMEDIATED = RemediationReason(
    "OutcomeNeverRemediated",
    "the outcome is NoEndpoints, NoTargets or Unknown, which etpguard never remediates",
    "Run `etpguard explain` for the cause. The traffic policy does not cause `NoEndpoints`, and rarely causes "
    "`NoTargets`: where `explain` lists `Let every node forward`, set Cluster by hand. With `Unknown`, the API "
    "does not show something that the outcome depends on",
)
ASSUMED_RULE = RemediationReason(
    "AssumedRule",
    "the outcome depends on a consumer, and etpguard only assumes how this consumer works",
    "Run `etpguard explain` for the assumption. Give the Service a `loadBalancerClass` or an annotation of the "
    "provider, which identifies its load balancer. Or set Cluster by hand",
)
FORCED_LOCAL = RemediationReason(
    "ForcedLocal",
    "an annotation makes nodes with kube-router apply Local to the Service, so Cluster has no effect on them",
    "Remove the annotation `kube-router.io/service.local`",
)
HEALTH_CHECK_PINNED = RemediationReason(
    "HealthCheckPinned",
    "a health check depends on the healthCheckNodePort, and Cluster removes this port",
    "Do first what `etpguard explain` says about the change to Cluster: it depends on the load balancer. Do not "
    "choose the traffic port by yourself: no health check uses UDP, and if the pods do not answer the path of the "
    "check there, every target turns unhealthy",
)
HEALTH_CHECK_WOULD_FAIL = RemediationReason(
    "HealthCheckWouldFail",
    "Cluster moves a health check from the healthCheckNodePort to a node port, where it may fail on every node",
    "Do what the message says: it depends on the load balancer. `etpguard explain` says what the check does under "
    "Cluster",
)
PROBED_BY_OTHERS = RemediationReason(
    "ProbedByOthers",
    "the health check of another Service's load balancer probes a port of this Service, and Cluster would change "
    "the answer on every node",
    "Set that health check to the traffic port of its own Service. If its load balancer is in another namespace, "
    "`probesFromOtherNamespaces: Ignore` makes etpguard ignore the check",
)
SHARED_ADDRESS = RemediationReason(
    "SharedAddress",
    "the Service shares its MetalLB address with another Service, and MetalLB takes the address away from a "
    "Service whose traffic policy is different",
    "Set Cluster by hand on all Services that share the address; `etpguard explain` gives the commands",
)
SKIP_ANNOTATION = RemediationReason(
    "SkipAnnotation",
    "the Service has the annotation etpguard.dev/skip-remediation",
    "Remove `etpguard.dev/skip-remediation` from the Service",
)
ROLLBACK_REQUESTED = RemediationReason(
    "RollbackRequested",
    "the policy's rollbackRequests names the Service, so the Service stays at Local",
    "Remove the Service from `rollbackRequests` to allow remediation again",
)
INVALID = RemediationReason(
    "Invalid",
    "a selector, schedule or time zone of the policy is not valid",
    "Correct the field that the message names",
)
SUSPENDED = RemediationReason("Suspended", "the policy is suspended", "Set `suspend: false`")
PAUSED = RemediationReason(
    "Paused", "the policy has pause requests", "Remove the entries of `pauseRequests` that are out of date"
)
TYPE_NOT_SELECTED = RemediationReason(
    "TypeNotSelected",
    "the policy's serviceTypes does not name the type of the Service",
    "Add the type to `serviceTypes`",
)
OUTCOME_NOT_SELECTED = RemediationReason(
    "OutcomeNotSelected",
    "the policy's unhealthyWhen.outcomes does not name the outcome",
    "Add the outcome to `unhealthyWhen.outcomes`",
)
TOO_FEW_UNCOVERED = RemediationReason(
    "TooFewUncovered",
    "fewer nodes are uncovered than unhealthyWhen.uncoveredNodes requires",
    "Lower `unhealthyWhen.uncoveredNodes`",
)
SOURCE_IP_LOSS_REFUSED = RemediationReason(
    "SourceIPLossRefused",
    "the policy does not accept that pods lose the client's address (remediation.sourceIPLoss)",
    "Set `remediation.sourceIPLoss: Accept` if no application needs the client's address",
)
GIT_OPS_OWNED = RemediationReason(
    "GitOpsOwned",
    "Helm, Argo CD or Flux owns the Service, and gitOpsOwned is Skip",
    "Set Cluster in the chart or repository that the Service comes from. Or set `gitOpsOwned: Patch` and see "
    "[GitOps tools](gitops.md)",
)
NETWORK_POLICY = RemediationReason(
    "NetworkPolicy",
    "a network policy may block traffic that comes from a node's address",
    "Set `networkPolicy: Ignore` if the policies admit the addresses of the nodes. The message names the cause: a "
    "NetworkPolicy of the pods admits by address (`ipBlock`), the operator cannot read NetworkPolicies, or the "
    "API server serves another kind (Cilium, Calico, Antrea, AdminNetworkPolicy), which etpguard does not read",
)
ROLLED_BACK_BY_USER = RemediationReason(
    "RolledBackByUser",
    "a person restored Local, and no policy of the Service is new or has changed since then",
    "Change the spec of the policy to allow remediation again",
)
DRIFT = RemediationReason(
    "Drift",
    "a tool restored Local as often as onDrift.maxReverts allows",
    "Set Cluster where the tool takes the Service from, or let the tool ignore the field: see "
    "[GitOps tools](gitops.md)",
)
DWELL_TIME = RemediationReason(
    "DwellTime", "the outcome has not lasted for unhealthyWhen.forSeconds yet", "Wait, or lower `forSeconds`"
)
TOO_MANY_AFFECTED = RemediationReason(
    "TooManyAffected",
    "the circuit breaker is open: too many Services need remediation at once",
    "Look for the common cause. Raise `triggerIf` or `--breaker` only if the Services are independent",
)
STORM_COOLDOWN = RemediationReason(
    "StormCooldown",
    "the circuit breaker was open less than stormCooldownSeconds ago",
    "Wait, or lower `stormCooldownSeconds`",
)
BUDGET_EXHAUSTED = RemediationReason(
    "BudgetExhausted",
    "a budget allows no remediation now",
    "Wait, or raise the budget that the message names: a policy's, or the operator's `--max-remediations`",
)
TOO_MANY_ROLLBACKS = RemediationReason(
    "TooManyRollbacks",
    f"many rollbacks became due at once, so etpguard waits for {TriggerIf().storm_cooldown_seconds // 60} min "
    "before the first",
    "Find out why: policies were deleted, or nodes became covered. To stop the rollbacks at once, apply "
    "`examples/policies/stop-all.yaml`. If policies were deleted, create them again in mode `Enforce`. "
    "`rollbackRequests` and `etpguard rollback` do not wait",
)
ROLLBACKS_LIMITED = RemediationReason(
    "RollbacksLimited",
    f"the operator begins at most {ROLLBACK_BUDGET.services} automatic rollbacks in "
    f"{ROLLBACK_BUDGET.per_seconds // 60} min",
    "Wait. `rollbackRequests` and `etpguard rollback` have no limit",
)
REFUSED = RemediationReason(
    "Refused",
    "the API server refuses the remediation or the rollback",
    "The message says why: a webhook, an admission policy, a missing permission. If it says "
    '"changes no metadata of Services", a mutating webhook or policy adds something to the request of etpguard: '
    "exempt the ServiceAccount of etpguard there. etpguard tries again after 10 s, and doubles this time after "
    "each refusal, up to 10 min",
)
DRY_RUN_DONE = RemediationReason(
    "DryRunDone", "the API server accepted the patch as a dry run", "Set `mode: Enforce` to remediate the Service"
)
OBSERVE = RemediationReason(
    "Observe", "the policy has mode Observe", "Set `mode: DryRun` to test the patch, or `mode: Enforce` to send it"
)
UNDECIDABLE = RemediationReason(
    "Undecidable",
    "a policy of the Service has a value that etpguard cannot evaluate",
    "Correct the value that the message names; the log has the details",
)
DECISION_FAILED = RemediationReason(
    "DecisionFailed",
    "etpguard failed to decide about the Service, by a fault of its own",
    "Report it as a bug, with the traceback in the log",
)

# What etpguard does, or has done, about a Service.
DUE = RemediationReason("Due", "the Service needs remediation and nothing prevents it", "Nothing")
DRY_RUN = RemediationReason("DryRun", "the patch is sent with dryRun=All, which changes nothing", "Nothing")
APPLYING = RemediationReason("Applying", "the remediation is in progress", "Nothing")
APPLIED = RemediationReason(
    "Applied",
    "etpguard set Cluster on the Service",
    "To restore Local, see [rollback](#rollback)",
)
KEPT = RemediationReason(
    "Kept",
    "etpguard set Cluster on the Service, and no policy governs it now",
    "To restore Local, run `etpguard rollback`. To keep Cluster, declare it where the Service comes from",
)
NOT_APPLIED = RemediationReason("NotApplied", "the remediation was recorded but not carried out", "Nothing")
ROLLING_BACK = RemediationReason("RollingBack", "the rollback is in progress", "Nothing")
POLICY_DELETED = RemediationReason(
    "PolicyDeleted", "the policy was deleted, and its onDelete was Revert", "Nothing; etpguard restores Local"
)
COVERED = RemediationReason(
    "Covered", "every eligible node would be covered under Local", "Nothing; etpguard restores Local"
)
REVERTED = RemediationReason(
    "Reverted", "a tool restored Local", "Let the tool ignore the field: see [GitOps tools](gitops.md)"
)

# Reasons of a policy's conditions alone.
VALID = RemediationReason(
    "Valid",
    "the fields of the policy are valid; the condition RemediationAllowed says whether it acts",
    "Nothing",
)
ENFORCE = RemediationReason("Enforce", "etpguard remediates Services within the budgets", "Nothing")

LEFT_ALONE = (
    PICTURE_NOT_FRESH,
    NOT_READABLE,
    BEHIND,
    RECORD_UNREADABLE,
    NO_POLICY,
    DELETING,
    NAMESPACE_TERMINATING,
    NAMESPACE_UNREADABLE,
    CONTROLLED,
    NOT_LOCAL,
    FORCED_LOCAL,
    CHANGED,
    OUTCOME_NEVER_REMEDIATED,
    ASSUMED_RULE,
    HEALTH_CHECK_PINNED,
    HEALTH_CHECK_WOULD_FAIL,
    PROBED_BY_OTHERS,
    SHARED_ADDRESS,
    SKIP_ANNOTATION,
    ROLLBACK_REQUESTED,
    INVALID,
    SUSPENDED,
    PAUSED,
    TYPE_NOT_SELECTED,
    OUTCOME_NOT_SELECTED,
    TOO_FEW_UNCOVERED,
    SOURCE_IP_LOSS_REFUSED,
    GIT_OPS_OWNED,
    NETWORK_POLICY,
    ROLLED_BACK_BY_USER,
    DRIFT,
    DWELL_TIME,
    TOO_MANY_AFFECTED,
    STORM_COOLDOWN,
    BUDGET_EXHAUSTED,
    TOO_MANY_ROLLBACKS,
    ROLLBACKS_LIMITED,
    REFUSED,
    DRY_RUN_DONE,
    OBSERVE,
    UNDECIDABLE,
    DECISION_FAILED,
)
"""In the order in which `decide` asks, those that only the controller or the status give last."""

ACTED_ON = (
    DUE,
    DRY_RUN,
    APPLYING,
    APPLIED,
    KEPT,
    NOT_APPLIED,
    ROLLING_BACK,
    POLICY_DELETED,
    COVERED,
    REVERTED,
)

OF_CONDITIONS = (VALID, ENFORCE)

ALL = (*LEFT_ALONE, *ACTED_ON, *OF_CONDITIONS)

_LINK = re.compile(r"\[(.+?)\]\(.+?\)")


def plain_advice(code: str) -> str:
    """What to do about a reason, without Markdown."""
    (reason,) = (each for each in ALL if each.code == code)
    return _LINK.sub(r"\1", reason.what_to_do).replace("`", "")


def table(reasons: tuple[RemediationReason, ...]) -> str:
    """A Markdown table of reasons, for docs/remediation.md."""
    rows = (f"| `{each.code}` | {_sentence(each.meaning)} | {_sentence(each.what_to_do)} |" for each in reasons)
    return "\n".join(("| reason | meaning | what to do |", "|---|---|---|", *rows)) + "\n"


def _sentence(text: str) -> str:
    """With a capital letter, except for the name etpguard, and a period."""
    return f"{text if text.startswith('etpguard ') else text[0].upper() + text[1:]}."
