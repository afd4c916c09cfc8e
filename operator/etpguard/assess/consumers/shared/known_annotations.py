"""The annotations that controllers of clouds read, without their prefix, and those that look like one of them.

From the sources that the modules of the clouds name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from etpguard.assess.consumers.consumer import Advice
from etpguard.assess.consumers.shared.last_answer import LastAnswer

_MOST_COMPARED = 50
"""Unknown annotations of one object that are compared."""
_MOST_CHARACTERS = 100
_MOST_NAMED = 3
"""Misspelt annotations of one object that advice names."""


def misspelt(
    annotations: Mapping[str, str], prefix: str, known: frozenset[str], beginnings: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """The annotations with this prefix that are not known and resemble a known one, and the known one. Names with
    one of the `beginnings` are known, whatever follows."""
    unknown = sorted(
        key
        for key in annotations
        if key.startswith(prefix)
        and key[len(prefix) :] not in known
        and not (beginnings and key.startswith(beginnings, len(prefix)))
    )
    if not unknown:
        return
    from difflib import get_close_matches  # only where there is an unknown annotation

    for key in unknown[:_MOST_COMPARED]:
        name = key[len(prefix) :]
        near = get_close_matches(name, known, n=1, cutoff=0.8) if len(name) <= _MOST_CHARACTERS else []
        if near:
            yield key, prefix + near[0]


_LAST = LastAnswer()


def spelling(
    reader: str,
    annotations: Mapping[str, str],
    prefix: str,
    known: frozenset[str],
    beginnings: tuple[str, ...] = (),
) -> tuple[Advice, ...]:
    """Advice on the first annotations that `misspelt` finds; `reader` is who reads the known ones."""

    def find() -> Iterator[Advice]:
        found = islice(misspelt(annotations, prefix, known, beginnings), _MOST_NAMED)
        return (_rename(reader, *each) for each in found)

    return _LAST.about(annotations, (reader, prefix, known, beginnings), find)


def _rename(reader: str, key: str, meant: str) -> Advice:
    effect = f"{reader} reads {meant}, and no annotation with the name {key}."
    return Advice(f"Check the spelling of the annotation {key}", effect)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


HCLOUD = _names(
    "algorithm-type certificate-type disable-private-ingress disable-public-network "
    "health-check-http-domain health-check-http-path health-check-http-validate-certificate "
    "health-check-interval health-check-port health-check-protocol health-check-retries "
    "health-check-timeout hostname http-certificates http-cookie-lifetime http-cookie-name "
    "http-managed-certificate-acme-staging http-managed-certificate-domains http-managed-certificate-name "
    "http-redirect-http http-status-codes http-sticky-sessions http-timeout-idle id ipv4 ipv4-rdns ipv6 "
    "ipv6-disabled ipv6-rdns location name network-zone node-selector private-ipv4 "
    "private-subnet-ip-range protocol type use-private-ip uses-proxyprotocol"
)

DIGITALOCEAN = _names(
    "algorithm allow-rules certificate-id certificate-name deny-rules disable-lets-encrypt-dns-records "
    "enable-backend-keepalive enable-proxy-protocol healthcheck-check-interval-seconds "
    "healthcheck-healthy-threshold healthcheck-path healthcheck-port healthcheck-protocol "
    "healthcheck-response-timeout-seconds healthcheck-unhealthy-threshold hostname "
    "http-idle-timeout-seconds http-ports http2-ports http3-port ip name network network-stack "
    "override-health-check protocol redirect-http-to-https size-slug size-unit "
    "sticky-sessions-cookie-name sticky-sessions-cookie-ttl sticky-sessions-type subnet-uuid "
    "tls-passthrough tls-ports type"
)

LINODE = _names(
    "backend-ipv4-range backend-subnet-id backend-subnet-name backend-vpc-name check-attempts check-body "
    "check-interval check-passive check-path check-timeout check-type default-algorithm default-protocol "
    "default-proxy-protocol default-stickiness enable-ipv6-backends enable-ipv6-ingress firewall-acl "
    "firewall-id frontend-ipv4-range frontend-ipv6-range frontend-subnet-id frontend-subnet-name "
    "frontend-vpc-name hostname-only-ingress nodebalancer-id nodebalancer-type preserve reserved-ipv4 "
    "retain-reserved-ipv4 tags throttle udp-check-port"
)

VULTR = _names(
    "algorithm auto-ssl backend-protocol create firewall-rules firewall-rules-cm "
    "healthcheck-check-interval healthcheck-healthy-threshold healthcheck-path healthcheck-port "
    "healthcheck-protocol healthcheck-response-timeout healthcheck-unhealthy-threshold hostname http2 "
    "http3 https-ports id label node-count private-network protocol proxy-protocol ssl ssl-last-updated "
    "ssl-pass-through ssl-redirect sticky-session-cookie-name sticky-session-enabled timeout vpc"
)

SCALEWAY = _names(
    "certificate-ids connection-rate-limit enable-access-logs enable-http3 externally-managed "
    "failover-host flexible-ip-types force-internal-ip forward-port-algorithm health-check-delay "
    "health-check-from-service health-check-http-code health-check-http-method health-check-http-uri "
    "health-check-max-retries health-check-mysql-user health-check-pgsql-user health-check-send-proxy "
    "health-check-timeout health-check-type health-transient-check-delay http-backend-tls "
    "http-backend-tls-skip-verify id ip-ids ip-mode max-connections max-retries on-marked-down-action "
    "pn-ids private private-ip-ids protocol-http proxy-protocol-v1 proxy-protocol-v2 "
    "redispatch-attempt-count send-proxy-v2 ssl-compatibility-level sticky-sessions "
    "sticky-sessions-cookie-name target-node-labels timeout-client timeout-connect timeout-queue "
    "timeout-server timeout-tunnel type use-hostname zone"
)

EXOSCALE = _names(
    "description external id name service-description service-healthcheck-interval "
    "service-healthcheck-mode service-healthcheck-port service-healthcheck-retries "
    "service-healthcheck-timeout service-healthcheck-uri service-instancepool-id service-name "
    "service-sks-nodepool-name service-strategy sks-cluster-name"
)

UPCLOUD = _names("config id name node-selector")

CLOUDSCALE = _names(
    "config-version flavor floating-ips force-hostname health-monitor-delay-s "
    "health-monitor-down-threshold health-monitor-http health-monitor-timeout-s health-monitor-type "
    "health-monitor-up-threshold ip-mode listener-allowed-cidrs listener-allowed-subnets "
    "listener-protocol name node-selector pool-algorithm pool-protocol timeout-client-data-ms "
    "timeout-member-connect-ms timeout-member-data-ms uuid vip-addresses zone"
)

AWS_NLB = _names(
    "access-log-emit-interval access-log-enabled access-log-s3-bucket-name access-log-s3-bucket-prefix "
    "additional-resource-tags alpn-policy attributes backend-protocol connection-draining-enabled "
    "connection-draining-timeout connection-idle-timeout cross-zone-load-balancing-enabled disable-nlb-sg "
    "eip-allocations eip-allocations-discovery-tags enable-icmp-for-path-mtu-discovery "
    "enable-prefix-for-ipv6-source-nat enable-tcp-udp-listener extra-security-groups "
    "healthcheck-healthy-threshold healthcheck-interval healthcheck-path healthcheck-port "
    "healthcheck-protocol healthcheck-success-codes healthcheck-timeout healthcheck-unhealthy-threshold "
    "inbound-sg-rules-on-private-link-traffic internal ip-address-type ipv6-addresses "
    "manage-backend-security-group-rules minimum-load-balancer-capacity multi-cluster-target-group name "
    "nlb-target-type private-ipv4-addresses proxy-protocol proxy-protocol-per-target-group "
    "quic-enabled-containers quic-enabled-ports scheme security-group-prefix-lists security-groups "
    "source-nat-ipv6-prefixes ssl-cert ssl-negotiation-policy ssl-ports subnets target-group-attributes "
    "target-node-labels type"
)
"""aws-load-balancer-controller v3.5.0 pkg/annotations/constants.go, and cloud-provider-aws 63ec440
pkg/providers/v1/aws.go."""

AWS_ALB = _names(
    "acm-pca-arn auth-idp-cognito auth-idp-oidc auth-on-unauthenticated-request auth-scope "
    "auth-session-cookie auth-session-timeout auth-type backend-protocol backend-protocol-version "
    "certificate-arn create-acm-cert customer-owned-ipv4-pool dry-run-plan enable-frontend-nlb group.name "
    "group.order healthcheck-interval-seconds healthcheck-path healthcheck-port healthcheck-protocol "
    "healthcheck-timeout-seconds healthy-threshold-count inbound-cidrs ip-address-type ipam-ipv4-pool-id "
    "jwt-validation listen-ports load-balancer-attributes load-balancer-name "
    "manage-backend-security-group-rules minimum-load-balancer-capacity multi-cluster-target-group "
    "mutual-authentication scheme security-group-prefix-lists security-groups shield-advanced-protection "
    "ssl-policy ssl-redirect subnets success-codes tags target-control-port target-group-attributes "
    "target-node-labels target-type unhealthy-threshold-count use-regex-path-match waf-acl-id wafv2-acl-arn "
    "wafv2-acl-name web-acl-id"
)
"""aws-load-balancer-controller v3.5.0 pkg/annotations/constants.go."""

AWS_ALB_BEGINNINGS = (
    *("actions.", "conditions.", "transforms.", "listener-attributes."),
    *("frontend-nlb-", "target-control-port."),
)
AWS_NLB_BEGINNINGS = ("listener-attributes.", "target-group-attributes.")

AZURE = _names(
    "additional-public-ips allowed-ip-ranges allowed-service-tags "
    "deny-all-except-load-balancer-source-ranges disable-load-balancer-floating-ip dns-label-name "
    "load-balancer-configurations load-balancer-disable-tcp-reset "
    "load-balancer-enable-high-availability-ports load-balancer-health-probe-interval "
    "load-balancer-health-probe-num-of-probe load-balancer-health-probe-protocol "
    "load-balancer-health-probe-request-path load-balancer-internal load-balancer-internal-subnet "
    "load-balancer-ipv4 load-balancer-ipv6 load-balancer-mode load-balancer-resource-group "
    "load-balancer-tcp-idle-timeout pip-ip-tags pip-name pip-name-ipv6 pip-prefix-id pip-prefix-id-ipv6 "
    "pip-tags pls-auto-approval pls-create pls-fqdns pls-ip-configuration-ip-address "
    "pls-ip-configuration-ip-address-count pls-ip-configuration-subnet pls-name pls-proxy-protocol "
    "pls-resource-group pls-visibility shared-securityrule"
)
"""cloud-provider-azure pkg/consts/consts.go."""
