"""What advice says of the client's address, by the state of PROXY protocol.

Sources: the annotation in the controllers of linode b9aa901, vultr d5f3ab0, scaleway bddc17f, outscale
64174f3, digitalocean 70d527e, and that of Hetzner Cloud.
"""

from __future__ import annotations

import pytest

from tests.assess.consumers.worlds import endpoints, nodes, service, world

ADDRESS = [{"ip": "203.0.113.7"}]
ON, OFF, NOT_SAID = "PROXY protocol is on", "PROXY protocol is off", "PROXY protocol stay as they are"

OF_SERVICE = "service.beta.kubernetes.io/"
HCLOUD = "load-balancer.hetzner.cloud/uses-proxyprotocol"
LINODE = f"{OF_SERVICE}linode-loadbalancer-default-proxy-protocol"
VULTR = f"{OF_SERVICE}vultr-loadbalancer-proxy-protocol"
SCALEWAY = f"{OF_SERVICE}scw-loadbalancer-proxy-protocol-v2"
OUTSCALE = f"{OF_SERVICE}osc-load-balancer-proxy-protocol"
DIGITALOCEAN = f"{OF_SERVICE}do-loadbalancer-enable-proxy-protocol"
REGIONAL = {f"{OF_SERVICE}do-loadbalancer-type": "REGIONAL"}


@pytest.mark.parametrize(
    ("scheme", "annotations", "words"),
    [
        pytest.param("hcloud", {HCLOUD: "true"}, ON, id="hcloud: on"),
        pytest.param("hcloud", {HCLOUD: "false"}, OFF, id="hcloud: off"),
        pytest.param("hcloud", {}, OFF, id="hcloud: off by default"),
        pytest.param("linode", {LINODE: "v2"}, ON, id="linode: v2"),
        pytest.param("linode", {LINODE: "none"}, OFF, id="linode: none"),
        pytest.param("vultr", {VULTR: "true"}, ON, id="vultr: on"),
        pytest.param("vultr", {}, OFF, id="vultr: off by default"),
        pytest.param("scaleway", {SCALEWAY: "*"}, ON, id="scaleway: every port"),
        pytest.param("scaleway", {SCALEWAY: "443"}, NOT_SAID, id="scaleway: some ports"),
        pytest.param("scaleway", {}, OFF, id="scaleway: off by default"),
        pytest.param("", {OUTSCALE: "*"}, ON, id="outscale: every port"),
        pytest.param("", {OUTSCALE: "80"}, NOT_SAID, id="outscale: some ports"),
        pytest.param("digitalocean", {**REGIONAL, DIGITALOCEAN: "true"}, ON, id="digitalocean: a proxy, on"),
        pytest.param("digitalocean", REGIONAL, OFF, id="digitalocean: a proxy, off"),
    ],
)
def test_advice_names_the_state_of_proxy_protocol(scheme: str, annotations: dict[str, str], words: str) -> None:
    subject = service(annotations=annotations, ingress=ADDRESS)
    advice = world(subject, endpoints("a"), *nodes(scheme or "other")).advice()
    assert any(words in text for text in advice), advice
