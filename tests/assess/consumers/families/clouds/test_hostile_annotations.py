"""With any value of an annotation that a cloud reads, no family raises, and long values cost little."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etpguard.assess.consumers.families.clouds import cloud_families
from etpguard.assess.consumers.families.clouds.checked_cloud import CheckedCloud
from etpguard.assess.consumers.families.clouds.provider import Provider
from tests.assess.consumers.worlds import endpoints, nodes, port, service, world
from tests.examples import examples

CLOUDS = [
    family.rules
    for family in cloud_families()
    if isinstance(family, Provider) and isinstance(family.rules, CheckedCloud)
]
KEYS = {family.scheme: sorted(family.annotations[0] + name for name in family.annotations[1]) for family in CLOUDS}
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "",
            "true",
            "false",
            "*",
            "80",
            "0",
            "-1",
            "10256",
            "32000",
            "٣",
            "9" * 5000,
            "tcp",
            "http",
            "HTTPS",
            "none",
        ]
    ),
    st.sampled_from(
        ['{"a":1}', "[" * 20000, "k=v,=,,k", "k in (", "!k", "80:http;81:tcp", "80:a:b", "\x00", "null"]
    ),
)
PORTS = [port(), port("dns", 53, 30053, "UDP"), port("none", 81, 0)]


@pytest.mark.parametrize("scheme", sorted(KEYS))
@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_no_value_makes_a_family_fail(scheme: str, data: st.DataObject) -> None:
    annotations = data.draw(st.dictionaries(st.sampled_from(KEYS[scheme]), VALUES, max_size=5))
    subject = service(annotations=annotations, ports=PORTS, ingress=[{"ip": "203.0.113.7"}])
    made = world(subject, endpoints("a"), endpoints("a", ports=["dns"], protocol="UDP"), *nodes(scheme))
    assert len(made.assessment.consumers) == len(PORTS)
    for text in made.advice():
        assert len(text) < 5000


@pytest.mark.no_cover
@pytest.mark.parametrize("scheme", sorted(KEYS))
@pytest.mark.parametrize("unit", ["a", "80,", "80:http;", "k=v,", "k in (", "[", "{", " "])
def test_long_values_cost_little(scheme: str, unit: str) -> None:
    """250 KB is what the API admits for all annotations of an object."""
    text = unit * (250_000 // len(unit))
    for key in KEYS[scheme]:
        subject = service(annotations={key: text}, ports=PORTS)
        began = time.process_time()
        made = world(subject, endpoints("a"), *nodes(scheme))
        assert time.process_time() - began < 2
        assert all(len(verdict.reason.detail) < 1000 for verdict in made.assessment.consumers)
