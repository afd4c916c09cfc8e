"""The rules of a provider are imported when a Service may be its, and its signs are those of the table."""

from __future__ import annotations

import subprocess
import sys

import pytest

from etpguard.assess.consumers.families.clouds import cloud_families
from etpguard.assess.consumers.families.clouds.provider import Provider
from etpguard.assess.consumers.families.clouds.signs import SIGNS
from etpguard.assess.platforms import platforms_of
from etpguard.objects import NODE, Node, decode_item
from tests.assess.consumers.worlds import Json, endpoints, node, nodes, service, world

PROVIDERS = [family for family in cloud_families() if isinstance(family, Provider)]
SERVED: Json = {"ingress": [{"ip": "203.0.113.1"}]}

_IMPORTED = """
import sys
from etpguard.assess.consumers.registry import consumer_families
consumer_families()
print(*(name for name in sys.modules if ".families.clouds." in name))
"""


def test_no_rules_of_a_provider_are_imported_at_the_start() -> None:
    made = subprocess.run([sys.executable, "-c", _IMPORTED], capture_output=True, text=True, check=True)
    imported = {name.rpartition(".")[2] for name in made.stdout.split()}
    assert imported == {"not_modelled", "provider", "signs"}


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_the_rules_have_the_name_under_which_the_table_has_them(provider: Provider) -> None:
    assert provider.rules.name == provider.name
    assert not provider.rules.kinds
    assert not provider.rules.refers


SIGNED = [
    *((name, {"annotations": {f"{mark}x": "x"}}) for name, signs in SIGNS.items() for mark in signs.marks),
    *((name, {"loadBalancerClass": chosen}) for name, signs in SIGNS.items() for chosen in signs.classes),
]


@pytest.mark.parametrize(("name", "given"), SIGNED)
def test_a_sign_on_the_service(name: str, given: Json) -> None:
    made = world(service(**SERVED, **given), endpoints("a"), *nodes(""))
    assert made.consumer().consumer.family == name


@pytest.mark.parametrize(
    ("name", "scheme"), [(name, scheme) for name, signs in SIGNS.items() for scheme in signs.schemes]
)
def test_a_scheme_of_the_nodes(name: str, scheme: str) -> None:
    made = world(service(**SERVED), endpoints("a"), *nodes(scheme))
    assert made.consumer().consumer.family == name
    record = decode_item(NODE, node("a", f"{scheme}://a"))
    assert isinstance(record, Node)
    assert scheme in platforms_of(record)
