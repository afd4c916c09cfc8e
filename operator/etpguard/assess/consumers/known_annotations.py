"""The annotations that controllers of clouds read, without their prefix, and those that look like one of them.

From the sources that the modules of the clouds name.
"""

from __future__ import annotations

from collections.abc import Iterator

from etpguard.objects import Service

_MOST_COMPARED = 50
"""Unknown annotations of one Service that are compared."""
_MOST_CHARACTERS = 100


def misspelt(service: Service, prefix: str, known: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The annotations with this prefix that are not known and resemble a known one, and the known one."""
    unknown = sorted(
        key for key in service.annotations if key.startswith(prefix) and key[len(prefix) :] not in known
    )
    if not unknown:
        return
    from difflib import get_close_matches  # only where there is an unknown annotation

    for key in unknown[:_MOST_COMPARED]:
        name = key[len(prefix) :]
        near = get_close_matches(name, known, n=1, cutoff=0.8) if len(name) <= _MOST_CHARACTERS else []
        if near:
            yield key, prefix + near[0]


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
