"""Options of the controller, from flags of etpguard or from the arguments of the controller's Deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import fields, replace

from etpguard.assess.go_booleans import BOOLEANS

DEFAULT = "default"
FLAG = "flag"


class AwsOptions(Struct, frozen=True):
    """Defaults are those of aws-load-balancer-controller v3.5.0, pkg/config. Every field but `sources`
    is an option of the controller. `sources` holds where each value comes from: "flag" or
    "Deployment NAMESPACE/NAME"; an option without an entry has its default."""

    default_target_type: str = "instance"
    ingress_class: str = "alb"
    """With "", the controller also takes Ingresses without a class."""
    fail_open: bool = True
    """Feature gate EndpointsFailOpen: nodes with Ready=Unknown are targets where no node has Ready=True."""
    max_targets: int = 0
    """The most targets of one target group, 0 for no limit."""
    services: bool = True
    """Feature gate EnableServiceController: the controller makes NLBs for Services."""
    load_balancer_services_only: bool = False
    """Feature gate ServiceTypeLoadBalancerOnly."""
    tcp_udp_listeners: bool = False
    """Feature gate EnableTCPUDPListener: an NLB serves a TCP and a UDP port of one number by one listener."""
    load_balancer_class: str = "service.k8s.aws/nlb"
    sources: Mapping[str, str] = field(default_factory=dict)

    def source(self, option: str) -> str:
        return self.sources.get(option, DEFAULT)

    def described(self, option: str) -> str:
        """The option, its value and where it comes from, for a report."""
        value = getattr(self, option)
        shown = str(value).lower() if isinstance(value, bool) else value
        return f"{_FLAGS[option]}={shown} ({self.source(option)})"

    def overlaid(self, values: Mapping[str, Any], source: str) -> AwsOptions:
        """A copy with these values, which come from `source`. Raises ValueError for a value that an option does
        not take."""
        known = {option.name for option in fields(self)} - {"sources"}
        if unknown := values.keys() - known:
            raise ValueError(f"no such option: {', '.join(sorted(unknown))}")
        target_type = values.get("default_target_type", self.default_target_type)
        if target_type not in ("instance", "ip"):
            raise ValueError(f"{_FLAGS['default_target_type']}: {target_type!r} is neither instance nor ip")
        sources = {**self.sources, **dict.fromkeys(values, source)}
        return replace(self, **values, sources=sources)


_FLAGS = {
    "default_target_type": "--default-target-type",
    "ingress_class": "--ingress-class",
    "fail_open": "--feature-gates=EndpointsFailOpen",
    "max_targets": "--max-targets-per-target-group",
    "services": "--feature-gates=EnableServiceController",
    "load_balancer_services_only": "--feature-gates=ServiceTypeLoadBalancerOnly",
    "tcp_udp_listeners": "--feature-gates=EnableTCPUDPListener",
    "load_balancer_class": "--load-balancer-class",
}
_GATES = {
    "EndpointsFailOpen": "fail_open",
    "EnableServiceController": "services",
    "ServiceTypeLoadBalancerOnly": "load_balancer_services_only",
    "EnableTCPUDPListener": "tcp_udp_listeners",
}
_VALUE_FLAGS = {flag.lstrip("-"): option for option, flag in _FLAGS.items() if "=" not in flag}


def options_from_arguments(args: Sequence[str]) -> dict[str, Any]:
    """The options in the arguments of the controller's container, by the field of `AwsOptions`. They are read as
    github.com/spf13/pflag reads them: `--flag=value` or `--flag value`, the last value of a flag counts, `--` ends
    the flags. Other flags are ignored. Raises ValueError, which names the flag, for a value with which the
    controller would not start."""
    found: dict[str, Any] = {}
    rest = list(args)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            break
        if not argument.startswith("--"):
            continue
        name, separator, value = argument[2:].partition("=")
        if name != "feature-gates" and name not in _VALUE_FLAGS:
            continue
        if not separator:
            if not rest:
                raise ValueError(f"--{name} has no value")
            value = rest.pop(0)
        if name == "feature-gates":
            found |= _gates(value)
        else:
            found[_VALUE_FLAGS[name]] = _value(name, value)
    return found


def options_from_deployment(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """As `options_from_arguments`, from a Deployment as the API gives it. Each container is read; a sidecar has
    none of the flags."""
    found: dict[str, Any] = {}
    for container in deployment["spec"]["template"]["spec"].get("containers") or ():
        found |= options_from_arguments([*(container.get("command") or ()), *(container.get("args") or ())])
    return found


def _value(name: str, value: str) -> str | int:
    if name == "default-target-type" and value not in ("instance", "ip"):
        raise ValueError(f"--{name}: {value!r} is neither instance nor ip")
    if name == "max-targets-per-target-group":
        try:
            return int(value)
        except ValueError:
            raise ValueError(f"--{name}: {value!r} is no integer") from None
    return value


def _gates(value: str) -> dict[str, bool]:
    """pkg/config/feature_gates.go: `name=bool` pairs, separated by commas."""
    found: dict[str, bool] = {}
    for pair in value.split(","):
        name, separator, state = pair.partition("=")
        if not name.strip():
            continue
        if not separator or state.strip() not in BOOLEANS:
            raise ValueError(f"--feature-gates: {pair!r} is not NAME=true or NAME=false")
        if option := _GATES.get(name.strip()):
            found[option] = BOOLEANS[state.strip()]
    return found
