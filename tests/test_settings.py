"""Settings from flags and environment, and the messages for bad ones."""

from __future__ import annotations

import dataclasses

import pytest

from etpguard.assess.data_planes.interface import DataPlane
from etpguard.cli.setting_options import take_settings
from etpguard.settings import Address, Settings, SettingsError, options, parse
from etpguard.settings.values import DATA_PLANE_NAMES
from tests.cli.program import etpguard, failed

COUNT = "a number from 0 to 999999999"
LOOPBACK = "off, or a loopback ADDRESS:PORT such as 127.0.0.1:8081"
QUOTA = "a number and a duration, such as 1/600s"
SHARE = "a number or a percentage such as 40%"
PLANE = f"one of {', '.join(DATA_PLANE_NAMES)}, or NAME:LABEL-SELECTOR"
DIGITS = "9" * 5000
"""More than Python reads as a number by itself."""


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        pytest.param("resync_interval", "10m", 600.0, id="minutes"),
        pytest.param("resync_interval", "1h30m", 5400.0, id="hours and minutes"),
        pytest.param("hold", "500ms", 0.5, id="milliseconds"),
        pytest.param("hold", "2.5", 2.5, id="bare seconds"),
        pytest.param("hold", "0", 0.0, id="zero"),
        pytest.param("namespaces", "b, a,", frozenset({"a", "b"}), id="names"),
        pytest.param("write_events", "off", False, id="off"),
        pytest.param("write_events", "TRUE", True, id="true"),
        pytest.param("listen", ":9090", Address("", 9090), id="every address"),
        pytest.param("listen", "127.0.0.1:0", Address("127.0.0.1", 0), id="any port"),
        pytest.param("listen", "[::1]:8080", Address("::1", 8080), id="IPv6"),
        pytest.param("answers_everywhere_ports", "9100,443, 443", (443, 9100), id="ports"),
        pytest.param("aws_lbc_default_target_type", "ip", "ip", id="one of a few"),
        pytest.param("aws_lbc_deployment", "kube-system/aws-lbc", "kube-system/aws-lbc", id="an object"),
        pytest.param("aws_lbc_max_targets", "0", 0, id="a count"),
        pytest.param("max_remediations", "3/1h", (3, 3600), id="a quota"),
        pytest.param("max_remediations", "0/600", (0, 600), id="none at all"),
        pytest.param("max_remediations", "999999999/168h", (999_999_999, 604_800), id="the largest quota"),
        pytest.param("max_remediations", "2/1500ms", (2, 2), id="a quota in whole seconds"),
        pytest.param("data_plane", "cilium", "cilium", id="a data plane"),
        pytest.param("data_plane", "cilium:a=b;auto", "cilium:a=b;auto", id="data planes of a mixed cluster"),
        pytest.param("breaker", "5", 5, id="a number"),
        pytest.param("breaker", "0", 0, id="not one"),
        pytest.param("breaker", "007%", "7%", id="a percentage"),
        pytest.param("breaker", "100%", "100%", id="all"),
    ],
)
@pytest.mark.parametrize("by", ["flag", "environment"])
def test_a_value(name: str, given: str, value: object, by: str) -> None:
    variable = f"ETPGUARD_{name.upper()}"
    made = parse({name: given}, {}) if by == "flag" else parse({name: None}, {variable: given})
    assert getattr(made, name) == value
    assert dataclasses.replace(made, **{name: getattr(Settings(), name)}) == Settings()


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        pytest.param("resync_interval", "soon", "a duration such as 30s or 10m", id="no duration"),
        pytest.param("resync_interval", "1h30", "a duration such as 30s or 10m", id="a unit left out"),
        pytest.param("resync_interval", "10 m", "a duration such as 30s or 10m", id="a blank"),
        pytest.param("resync_interval", "1s", "at least 5s", id="too short"),
        pytest.param("hold", "-1", "a duration such as 30s or 10m", id="negative"),
        pytest.param(
            "namespaces", "a,B", "names of namespaces separated by commas, but 'B' is not one", id="no name"
        ),
        pytest.param("write_events", "maybe", "on or off", id="no switch"),
        pytest.param("listen", "8080", "ADDRESS:PORT", id="no colon"),
        pytest.param("listen", ":65536", "ADDRESS:PORT", id="no port"),
        pytest.param("listen", "localhost:80", "ADDRESS:PORT with an IP address", id="a host name"),
        pytest.param("answers_everywhere_ports", "80,0", "port numbers separated by commas", id="port zero"),
        pytest.param("log_level", "loud", "one of debug, info, warning, error", id="none of a few"),
        pytest.param("aws_lbc_deployment", "aws-lbc", "NAMESPACE/NAME", id="no namespace"),
        pytest.param("hold", "٣s", "a duration such as 30s or 10m", id="digits of another script"),
        pytest.param("hold", "9000h", "a duration of 8760h at most", id="too long"),
        pytest.param("aws_lbc_max_targets", "many", COUNT, id="no number"),
        pytest.param("aws_lbc_max_targets", "²", COUNT, id="a digit that is no number"),
        pytest.param("aws_lbc_max_targets", "1000000000", COUNT, id="too large"),
        pytest.param("max_remediations", "1", QUOTA, id="no window"),
        pytest.param("max_remediations", "/600s", QUOTA, id="no quota"),
        pytest.param("max_remediations", "-1/600s", QUOTA, id="a negative quota"),
        pytest.param("max_remediations", "10%/600s", QUOTA, id="a quota in per cent"),
        pytest.param("max_remediations", "1/soon", "a duration such as 30s or 10m", id="a window that is none"),
        pytest.param("max_remediations", "1/0s", "a duration from 1s to 168h", id="a window of nothing"),
        pytest.param("max_remediations", "1/169h", "a duration from 1s to 168h", id="a window beyond a week"),
        pytest.param("data_plane", "ebpf", PLANE, id="no data plane"),
        pytest.param("data_plane", "auto:a=b", PLANE, id="auto for some nodes"),
        pytest.param("data_plane", "cilium:", "a label selector after cilium:, but '' is not one", id="none"),
        pytest.param(
            "data_plane", "cilium:a=,", "a label selector after cilium:, but 'a=,' is not one", id="a bad selector"
        ),
        pytest.param(
            "data_plane",
            "cilium;other",
            "one entry without a label selector at most, but there are cilium and other",
            id="two data planes for the same nodes",
        ),
        *(
            pytest.param("page", given, LOOPBACK, id=f"page {name}")
            for name, given in (
                ("on every address", ":8081"),
                ("on another address", "10.0.0.1:8081"),
                ("without a port", "127.0.0.1"),
                ("on", "on"),
                ("", ""),
            )
        ),
        pytest.param("breaker", "", SHARE, id="no share"),
        pytest.param("breaker", "%", SHARE, id="a bare sign"),
        pytest.param("breaker", "101%", SHARE, id="more than all"),
        pytest.param("breaker", "-1", SHARE, id="a negative share"),
        pytest.param("breaker", "4.5%", SHARE, id="a broken percentage"),
        pytest.param("breaker", "½", SHARE, id="a fraction"),
    ],
)  # fmt: skip
def test_a_bad_value_names_where_it_came_from(name: str, given: str, expected: str) -> None:
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(SettingsError) as error:
        parse({name: given})
    assert str(error.value) == f"{flag}={given!r}: expected {expected}"
    variable = f"ETPGUARD_{name.upper()}"
    with pytest.raises(SettingsError) as error:
        parse({}, {variable: given})
    assert str(error.value) == f"{variable}={given!r}: expected {expected}"


def test_a_flag_outranks_its_variable_even_where_that_is_bad() -> None:
    assert parse({"hold": "1s"}, {"ETPGUARD_HOLD": "nonsense"}).hold == 1.0


def test_a_long_bad_value_is_cut() -> None:
    with pytest.raises(SettingsError) as error:
        parse({"hold": "x" * 100_000})
    assert len(str(error.value)) < 200
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        pytest.param("max_remediations", f"{DIGITS}/600s", QUOTA, id="a quota"),
        pytest.param("max_remediations", f"1/{DIGITS}s", "a duration of 8760h at most", id="a window"),
        pytest.param("breaker", DIGITS, SHARE, id="a number"),
        pytest.param("breaker", f"{DIGITS}%", SHARE, id="a percentage"),
        pytest.param("hold", DIGITS, "a duration of 8760h at most", id="bare seconds"),
        pytest.param("lease_duration", f"{DIGITS}h", "a duration of 8760h at most", id="hours"),
        pytest.param("answers_everywhere_ports", f"80,{DIGITS}", "port numbers separated by commas", id="a port"),
        pytest.param("listen", f":{DIGITS}", "ADDRESS:PORT", id="an address"),
        pytest.param("aws_lbc_max_targets", DIGITS, COUNT, id="a count"),
    ],
)
def test_thousands_of_digits(name: str, given: str, expected: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse({name: given})
    assert str(error.value) == f"--{name.replace('_', '-')}={given[:100]!r}: expected {expected}"


@pytest.mark.parametrize("flag", ["--max-remediations", "--breaker", "--listen"])
def test_the_program_says_it_in_one_line(flag: str) -> None:
    line = failed(etpguard("run", f"{flag}={DIGITS}"))
    assert line.startswith(f"etpguard: {flag}='999")
    assert len(line) < 250


def test_every_setting_has_an_option_with_help_and_a_default_that_is_the_fields() -> None:
    made = {option.name: option for option in options()}
    assert made.keys() == {field.name for field in dataclasses.fields(Settings)}
    assert all(option.help and option.type.metavar for option in made.values())
    assert made["aws_lbc_fail_open"].flag == "--aws-lbc-fail-open"
    assert made["aws_lbc_fail_open"].variable == "ETPGUARD_AWS_LBC_FAIL_OPEN"
    assert Settings() == parse({}, {})


@pytest.mark.parametrize(
    ("watched", "skipped", "reported"),
    [
        pytest.param((), (), {"a", "b", "c"}, id="all"),
        pytest.param(("a",), (), {"a"}, id="one"),
        pytest.param((), ("a",), {"b", "c"}, id="all but one"),
        pytest.param(("a", "b"), ("c",), {"a", "b"}, id="both"),
    ],
)
def test_namespaces(watched: tuple[str, ...], skipped: tuple[str, ...], reported: set[str]) -> None:
    made = Settings(namespaces=frozenset(watched), skip_namespaces=frozenset(skipped))
    assert {name for name in "abc" if made.scope.includes(name)} == reported


def test_a_namespace_cannot_be_watched_and_skipped() -> None:
    with pytest.raises(SettingsError, match=r"^--namespaces and --skip-namespaces both name a$"):
        parse({"namespaces": "a", "skip_namespaces": "a,b"})


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        pytest.param("ETPGUARD_HOLDS", "; did you mean ETPGUARD_HOLD?", id="a letter too many"),
        pytest.param("ETPGUARD_AWS_LBC_MAXTARGETS", "; did you mean ETPGUARD_AWS_LBC_MAX_TARGETS?", id="a typo"),
        pytest.param("ETPGUARD_VERBOSE", "; `etpguard run --help` lists all variables", id="nothing near"),
        pytest.param("ETPGUARD_", "; `etpguard run --help` lists all variables", id="no name"),
        pytest.param("ETPGUARD_hold", "; did you mean ETPGUARD_HOLD?", id="small letters"),
        pytest.param(
            "ETPGUARD_PORT_8080_TCP_NAME", "; `etpguard run --help` lists all variables", id="not a port"
        ),
    ],
)
def test_an_unknown_variable(variable: str, says: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse({}, {variable: "1"}, only=("hold",))
    assert str(error.value) == f"{variable}: etpguard has no setting of this name{says}"


@pytest.mark.parametrize("service", ["ETPGUARD", "ETPGUARD_METRICS", "ETPGUARD_2"])
def test_variables_that_kubernetes_sets_for_a_service(service: str) -> None:
    """kubernetes v1.37 pkg/kubelet/envvars/envvars.go: FromServices, makeLinkVariables."""
    names = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_METRICS", "SERVICE_PORT_HTTP_2", "PORT"]
    for protocol in ("TCP", "UDP", "SCTP"):
        port = f"PORT_8080_{protocol}"
        names += [port, f"{port}_PROTO", f"{port}_PORT", f"{port}_ADDR"]
    assert parse({}, {f"{service}_{name}": "tcp://10.0.0.1:8080" for name in names}) == Settings()


def test_a_command_ignores_the_variables_of_settings_that_it_does_not_have() -> None:
    environment = {"ETPGUARD_HOLD": "soon", "ETPGUARD_CONTEXT": "kind"}
    assert parse({}, environment, only=("context",)) == Settings(context="kind")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().hold = 1.0  # type: ignore[misc]


def test_the_names_of_the_data_planes_are_those_of_the_rules() -> None:
    assert ("auto", *(each.value for each in DataPlane)) == DATA_PLANE_NAMES


def test_a_flag_that_is_given_several_times() -> None:
    given = {"data_plane": ("cilium:a=b", "kube-proxy")}
    assert take_settings(given, ["data_plane"]).data_plane == "cilium:a=b;kube-proxy"
    assert take_settings({"data_plane": ()}, ["data_plane"]).data_plane == "auto"
