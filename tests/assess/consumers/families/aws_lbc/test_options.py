"""The controller's command line, read as github.com/spf13/pflag reads it."""

from __future__ import annotations

from typing import Any

import pytest

from etpguard.assess.consumers.families.aws_lbc import AwsOptions, options_from_arguments, options_from_deployment
from tests.assess.consumers.families.aws_lbc.objects import Shop, ingress, only


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        pytest.param([], {}, id="none"),
        pytest.param(["--cluster-name=prod", "--v=2"], {}, id="other-flags-are-passed-over"),
        pytest.param(["--default-target-type=ip"], {"default_target_type": "ip"}, id="with-equals"),
        pytest.param(["--default-target-type", "ip"], {"default_target_type": "ip"}, id="with-a-value-beside"),
        pytest.param(["--ingress-class="], {"ingress_class": ""}, id="empty-ingress-class"),
        pytest.param(["--ingress-class", ""], {"ingress_class": ""}, id="empty-ingress-class-beside"),
        pytest.param(["--ingress-class=a", "--ingress-class=b"], {"ingress_class": "b"}, id="the-last-wins"),
        pytest.param(["--max-targets-per-target-group=500"], {"max_targets": 500}, id="max-targets"),
        pytest.param(
            ["--load-balancer-class=my/nlb"], {"load_balancer_class": "my/nlb"}, id="load-balancer-class"
        ),
        pytest.param(["--feature-gates=EndpointsFailOpen=false"], {"fail_open": False}, id="gate"),
        pytest.param(
            ["--feature-gates", "EndpointsFailOpen=0,NLBSecurityGroup=true,ServiceTypeLoadBalancerOnly=T"],
            {"fail_open": False, "load_balancer_services_only": True},
            id="gates-among-others",
        ),
        pytest.param(
            ["--feature-gates=EndpointsFailOpen=false", "--feature-gates=ServiceTypeLoadBalancerOnly=true"],
            {"fail_open": False, "load_balancer_services_only": True},
            id="gates-in-two-flags",
        ),
        pytest.param(["--", "--ingress-class=x"], {}, id="two-dashes-end-the-flags"),
        pytest.param(["ingress-class=x", "-v"], {}, id="what-is-no-flag"),
    ],
)
def test_options_from_arguments(args: list[str], expected: dict[str, Any]) -> None:
    assert options_from_arguments(args) == expected


@pytest.mark.parametrize(
    ("args", "named"),
    [
        pytest.param(["--default-target-type=pod"], "--default-target-type: 'pod'", id="target-type"),
        pytest.param(["--max-targets-per-target-group=many"], "--max-targets-per-target-group: 'many'", id="max"),
        pytest.param(["--feature-gates=EndpointsFailOpen"], "--feature-gates: 'EndpointsFailOpen'", id="gate"),
        pytest.param(["--feature-gates=EndpointsFailOpen=yes"], "EndpointsFailOpen=yes", id="gate-value"),
        pytest.param(["--ingress-class"], "--ingress-class has no value", id="no-value"),
    ],
)
def test_what_the_controller_would_not_start_with_is_named(args: list[str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        options_from_arguments(args)


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param([{"args": ["--default-target-type=ip"]}], {"default_target_type": "ip"}, id="args"),
        pytest.param([{"command": ["/controller", "--ingress-class=x"]}], {"ingress_class": "x"}, id="command"),
        pytest.param(
            [{"command": ["/controller"], "args": ["--ingress-class", "x"]}], {"ingress_class": "x"}, id="both"
        ),
        pytest.param(
            [{"args": ["--", "--ingress-class=y"]}, {"args": ["--ingress-class=x"]}],
            {"ingress_class": "x"},
            id="a-sidecar-ends-only-its-own-flags",
        ),
        pytest.param([{"args": None}, {}], {}, id="an-image-with-its-own-command"),
    ],
)
def test_options_from_deployment(containers: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    deployment = {"spec": {"template": {"spec": {"containers": containers}}}}
    assert options_from_deployment(deployment) == expected


def test_the_source_names_options_of_nodes_that_someone_set() -> None:
    options = AwsOptions().overlaid({"fail_open": False, "max_targets": 2}, "flag")
    source = "--feature-gates=EndpointsFailOpen=false (flag); --max-targets-per-target-group=2 (flag)"
    verdict = only(Shop(ingress(annotations={"target-type": "instance"}), options=options))
    assert verdict.consumer.source == source
    assert verdict.reason.code == "TargetsCapped"
    assert only(Shop(ingress(annotations={"target-type": "ip"}), options=options)).consumer.source == ""


def test_a_flag_overrides_the_deployment_and_each_option_names_its_source() -> None:
    read = options_from_arguments(["--default-target-type=ip", "--ingress-class=edge"])
    options = AwsOptions().overlaid(read, "Deployment kube-system/aws-load-balancer-controller")
    options = options.overlaid({"default_target_type": "instance"}, "flag")
    assert options.described("default_target_type") == "--default-target-type=instance (flag)"
    assert options.described("ingress_class") == (
        "--ingress-class=edge (Deployment kube-system/aws-load-balancer-controller)"
    )
    assert options.described("max_targets") == "--max-targets-per-target-group=0 (default)"


@pytest.mark.parametrize("values", [{"nope": 1}, {"default_target_type": "pod"}], ids=str)
def test_overlaid_refuses_what_it_does_not_know(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no such option|neither instance nor ip"):
        AwsOptions().overlaid(values, "flag")
