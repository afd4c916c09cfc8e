"""Where `check` and `explain` take their objects from, and what they make of them: the options they share."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from etpguard.cli.errors import Failure
from etpguard.cli.input.reading import Reading

if TYPE_CHECKING:
    from etpguard.assess import Assessment, Engine
    from etpguard.assess.advice import Advisor
    from etpguard.assess.consumers.interface import ConsumerFamily
    from etpguard.kube.connection import Connection
    from etpguard.objects import AnyKind


@dataclass(frozen=True)
class Sources:
    """`files` empty means a live cluster. `namespace` is what the command is about, and where to look if RBAC lets
    one look nowhere else: "" for all, None for the context's."""

    files: Sequence[str] = ()
    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = ""
    data_plane: str = "auto"
    answers_everywhere_ports: tuple[int, ...] = ()
    aws: dict[str, Any] = field(default_factory=dict)
    """Options of the AWS Load Balancer Controller that were given, by their field in AwsOptions."""
    aws_deployment: str = ""
    for_policies: bool = False
    """Whether what policies decide on is read too."""


@dataclass
class Assessed:
    """Everything that a command says is taken from here."""

    reading: Reading
    namespace: str
    """The one that the command is about, "" for all."""
    engine: Engine
    advisor: Advisor
    data_plane: str
    data_plane_how: str

    @property
    def assessments(self) -> dict[Any, Assessment]:
        return self.engine.assessments

    @property
    def warnings(self) -> list[str]:
        return self.reading.all_warnings()


_kept: list[Assessed] = []
"""What was read and assessed, until the process ends: to take it apart before would be a tenth of the time."""


def assess(sources: Sources) -> Assessed:
    """Read and assess. Raises Failure."""
    gc.disable()  # nothing that is made here is garbage before the command ends
    lists = connection = None
    if not sources.files:
        # Threads read while this one imports and makes what is needed to assess.
        from etpguard.cli.input import live
        from etpguard.kube.connection import Connection
        from etpguard.kube.errors import KubeError

        try:
            connection = Connection(sources.kubeconfig, sources.context)
        except KubeError as error:
            raise Failure(str(error)) from None
        namespace = connection.namespace if sources.namespace is None else sources.namespace
        lists = live.Lists(connection, namespace)
    else:
        namespace = "default" if sources.namespace is None else sources.namespace
    consumer_families = _families(sources, connection)
    from etpguard.assess import picture_for

    kinds: tuple[AnyKind, ...] = ()
    if sources.for_policies:
        from etpguard.remediate.kinds import REMEDIATION_KINDS

        kinds = REMEDIATION_KINDS
    picture = picture_for(consumer_families, kinds)
    if lists is not None and connection is not None:
        lists.rest(list(picture.kinds))
        from etpguard.assess import advice  # noqa: F401  loaded while the threads read

        reading = Reading(picture, live=True, where=connection.server)
        live.fill(reading, lists)
    else:
        from etpguard.cli.input import files

        reading = Reading(picture, live=False, where=", ".join(map(files.shown, sources.files)))
        files.fill(reading, sources.files)
    if namespace and (lacking := reading.lacks(namespace)):
        reading.warnings.append(lacking)
    return _assessed(sources, namespace, reading, consumer_families)


def _families(sources: Sources, connection: Connection | None) -> tuple[ConsumerFamily, ...]:
    from etpguard.assess.consumers.aws_lbc import AwsOptions
    from etpguard.assess.consumers.aws_lbc.options import FLAG
    from etpguard.assess.consumers.registry import ConsumerOptions, consumer_families

    if connection is None or not sources.aws_deployment:
        return consumer_families(ConsumerOptions(aws=AwsOptions().overlaid(sources.aws, FLAG)))
    import asyncio

    from etpguard.intake.controller_options import aws_options
    from etpguard.kube.errors import ApiError
    from etpguard.settings import SettingsError

    try:
        told = asyncio.run(aws_options(connection, sources.aws_deployment, sources.aws))
    except ApiError as error:
        raise Failure(f"cannot read Deployment {sources.aws_deployment}: {error}") from None
    except SettingsError as error:
        raise Failure(str(error)) from None
    return consumer_families(ConsumerOptions(aws=told))


def _assessed(
    sources: Sources, namespace: str, reading: Reading, consumer_families: Sequence[ConsumerFamily]
) -> Assessed:
    from etpguard.assess import DataPlane, Engine, Options
    from etpguard.assess.advice import Advisor
    from etpguard.assess.platforms import CILIUM
    from etpguard.objects import INGRESS, INGRESS_CLASS, NODE, SERVICE

    picture = reading.picture
    if not reading.live:
        told_by: tuple[AnyKind, ...] = (INGRESS, INGRESS_CLASS)
        for kind in told_by:
            if not len(picture.store(kind)):
                picture.unread[kind] = f"there are no {kind.plural} in the input"
    auto = sources.data_plane == "auto"
    data_plane = DataPlane.KUBE_PROXY if auto else DataPlane(sources.data_plane)
    options = Options(data_plane, sources.answers_everywhere_ports, unread_is_unknown=reading.live)
    engine = Engine(picture, consumer_families, options)
    engine.refresh_all()
    if engine.assessments and not len(picture.store(NODE)):
        raise Failure(f"{reading.where}: there are Services with externalTrafficPolicy Local but no Node")
    if auto and CILIUM in engine.platforms:
        otherwise = Engine(picture, consumer_families, replace(options, data_plane=DataPlane.CILIUM))
        _mind_cilium(reading, engine, otherwise)
    if not reading.live:
        _mind_the_gaps(reading, engine)
        if not len(picture.store(SERVICE)):
            reading.warnings.append(f"{reading.where}: there is no Service in the input")
    how = "assumed" if auto else "--data-plane"
    assessed = Assessed(reading, namespace, engine, Advisor(picture, consumer_families), data_plane.value, how)
    _kept.append(assessed)
    return assessed


def _mind_cilium(reading: Reading, engine: Engine, otherwise: Engine) -> None:
    """Say so where it matters which of the two forwards; `otherwise` takes Cilium for kube-proxy's replacement."""
    otherwise.refresh_all()
    differ = [
        str(key)
        for key, assessment in sorted(engine.assessments.items())
        if (other := otherwise.assessments.get(key)) is None
        or (other.outcome, other.ports) != (assessment.outcome, assessment.ports)
    ]
    if differ:
        more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
        reading.warnings.append(
            f"the nodes run Cilium, and if it replaces kube-proxy, {', '.join(differ[:3])}{more} would be told "
            "otherwise: say which by --data-plane cilium or kube-proxy"
        )


def _mind_the_gaps(reading: Reading, engine: Engine) -> None:
    """Say which kinds the files lack, where that may have made an outcome another than it is."""
    from etpguard.objects import ENDPOINT_SLICE
    from etpguard.objects.aws import TARGET_GROUP_BINDING

    if engine.assessments and not len(reading.picture.store(ENDPOINT_SLICE)):
        reading.not_read.append(ENDPOINT_SLICE.resource)
    unclaimed = sum(a.reason.code == "NoKnownConsumer" for a in engine.assessments.values())
    lacking = [kind.resource for kind in reading.picture.unread]
    if "aws" in engine.platforms and not len(reading.picture.store(TARGET_GROUP_BINDING)):
        # Not among the unread: a dump without them is most often of a cluster that has none.
        lacking.append(TARGET_GROUP_BINDING.resource)
    if unclaimed and lacking:
        reading.not_read += lacking
        names = ", ".join(lacking[:-1]) + " and " * (len(lacking) > 1) + lacking[-1]
        reading.warnings.append(
            f"no {names} in the input: {unclaimed} Service{'s' if unclaimed > 1 else ''} without a known consumer "
            "may have one"
        )
