"""Where commands take their objects from, and the assessments of these objects."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from etpguard.cli.errors import Failure
from etpguard.cli.input.loaded import Loaded
from etpguard.settings import Settings, SettingsError

if TYPE_CHECKING:
    from etpguard.assess import Assessment, Engine, InternalAssessment
    from etpguard.assess.advice import Advisor
    from etpguard.assess.consumers.interface import ConsumerFamily
    from etpguard.kube.connection import Connection
    from etpguard.objects import AnyKind

# Functions import what they need: a live command starts its lists first and imports the rest while threads read.


_DEFAULTS = Settings()


class Sources(Struct, frozen=True):
    """Without `files` the objects come from a live cluster.

    `namespaces` are the command's: empty for all, None for that of the context. A list that RBAC forbids for the
    whole cluster is read in these namespaces.
    """

    files: Sequence[str] = ()
    namespaces: Sequence[str] | None = ()
    settings: Settings = _DEFAULTS
    for_policies: bool = False
    """Also read what policies decide on."""
    for_what_if: bool = False
    """Also read Pods, workloads, PodDisruptionBudgets and HorizontalPodAutoscalers."""


class Assessed(Struct):
    """What a command shows is taken from here."""

    sources: Sources
    loaded: Loaded
    namespaces: Sequence[str]
    """The command's, or that of the dump; empty for all."""
    engine: Engine
    advisor: Advisor

    @property
    def namespace(self) -> str:
        """The only namespace of the command; "" for several and for all."""
        return self.namespaces[0] if len(self.namespaces) == 1 else ""

    @property
    def assessments(self) -> dict[Any, Assessment]:
        return self.engine.assessments

    @property
    def internal(self) -> dict[Any, InternalAssessment]:
        return self.engine.internal

    @property
    def warnings(self) -> list[str]:
        return self.loaded.all_warnings()


def assess(sources: Sources) -> Assessed:
    """Load and assess. Raises Failure."""
    # Nothing becomes garbage before the command ends. On 2,000 Services a check takes 14 % more CPU time with the
    # collector: 1.07 s against 0.88 s, median of 9 pairs.
    gc.disable()
    if sources.files:
        loaded, families = _from_files(sources)
        own = (loaded.namespace,) if loaded.namespace else ()
        namespaces = (loaded.default_namespace,) if sources.namespaces is None else sources.namespaces or own
    else:
        loaded, families, namespaces = read_cluster(sources)
    loaded.warnings += filter(None, map(loaded.no_service_in, namespaces))
    return _assessed(sources, namespaces, loaded, families)


def _from_files(sources: Sources) -> tuple[Loaded, Sequence[ConsumerFamily]]:
    from etpguard.assess import picture_for
    from etpguard.cli.input import files
    from etpguard.objects import SERVICE

    families = _families(sources, None)
    picture = picture_for(families, _further_kinds(sources))
    loaded = Loaded(picture, live=False, where=", ".join(map(files.shown, sources.files)))
    files.load(loaded, sources.files)
    if not len(picture.store(SERVICE)) and not loaded.dumped:
        raise Failure(_nothing_checked(loaded, files.folder_with_folders(sources.files)))
    return loaded, families


def _nothing_checked(loaded: Loaded, folder: str) -> str:
    """Why there is nothing to assess. `kubectl get` prints an empty List if it has no valid credentials.
    `folder` is a source with folders in it, or ""."""
    nothing = not any(len(loaded.picture.store(kind)) for kind in loaded.picture.kinds)
    unread = nothing and not loaded.malformed
    lacking = "no object that etpguard reads" if unread else "no Service"
    why = [*loaded.malformed, *loaded.warnings][:1]
    if unread and not loaded.others:
        why = ["kubectl prints an empty List if it cannot log in"]
    if folder:
        why = [f"the folders in {folder} are not read: name each one with -f"]
    elif nothing and loaded.malformed:
        why.append("-f takes the output of `kubectl get -o json` or `-o yaml`")
    return "; ".join([f"{loaded.where}: nothing was checked, because there is {lacking} in the input", *why])


def read_cluster(sources: Sources) -> tuple[Loaded, Sequence[ConsumerFamily], Sequence[str]]:
    """All objects of a live cluster, the families that read them, and the command's namespaces. Raises Failure."""
    from etpguard.cli.input import live
    from etpguard.kube.errors import KubeError
    from etpguard.kube.heap import keep_freed_memory

    keep_freed_memory()
    settings = sources.settings
    try:
        connection = connect(settings)
    except KubeError as error:
        raise Failure(str(error)) from None
    namespaces = (connection.namespace,) if sources.namespaces is None else sources.namespaces
    lists = live.Lists(connection, namespaces, settings.request_timeout)
    families = _families(sources, connection)
    from etpguard.assess import (
        advice,  # noqa: F401
        picture_for,
    )

    picture = picture_for(families, _further_kinds(sources))
    lists.rest(list(picture.kinds))
    loaded = Loaded(picture, live=True, where=connection.server, of_context=connection.namespace)
    live.load(loaded, lists)
    return loaded, families, namespaces


def connect(settings: Settings) -> Connection:
    """The cluster of these settings. Raises KubeError."""
    from etpguard.kube.connection import Connection, Impersonation

    impersonate = Impersonation(settings.as_, settings.as_group)
    return Connection(settings.kubeconfig or None, settings.context or None, impersonate=impersonate)


def _further_kinds(sources: Sources) -> tuple[AnyKind, ...]:
    if sources.for_what_if:
        from etpguard.objects.pod_controllers import WORKLOAD_KINDS

        return WORKLOAD_KINDS
    if not sources.for_policies:
        return ()
    from etpguard.remediate.kinds import REMEDIATION_KINDS

    return REMEDIATION_KINDS


def _families(sources: Sources, connection: Connection | None) -> Sequence[ConsumerFamily]:
    from etpguard.assess.consumers.families.aws_lbc import AwsOptions
    from etpguard.assess.consumers.families.aws_lbc.options import FLAG
    from etpguard.assess.consumers.registry import ConsumerOptions, consumer_families

    settings = sources.settings
    if connection is None or not settings.aws_lbc_deployment:
        return consumer_families(ConsumerOptions(aws=AwsOptions().overlaid(settings.aws_lbc_options, FLAG)))
    import asyncio

    from etpguard.intake.controller_options import aws_options
    from etpguard.kube.errors import ApiError

    deployment = settings.aws_lbc_deployment
    try:
        aws = asyncio.run(aws_options(connection, deployment, settings.aws_lbc_options))
    except ApiError as error:
        raise Failure(f"cannot read Deployment {deployment}: {error}") from None
    except SettingsError as error:
        raise Failure(str(error)) from None
    return consumer_families(ConsumerOptions(aws=aws))


def _assessed(
    sources: Sources, namespaces: Sequence[str], loaded: Loaded, consumer_families: Sequence[ConsumerFamily]
) -> Assessed:
    from etpguard.assess import Engine, Options
    from etpguard.assess.advice import Advisor
    from etpguard.assess.data_planes.choice import Choice
    from etpguard.assess.data_planes.detection import Detection
    from etpguard.cli.input.gaps import no_node, warn_of_data_planes, warn_of_failure, warn_of_files
    from etpguard.objects import INGRESS, INGRESS_CLASS, NODE

    picture, settings = loaded.picture, sources.settings
    if not loaded.complete:
        needed: tuple[AnyKind, ...] = (INGRESS, INGRESS_CLASS)
        for kind in needed:
            if kind in picture.unlisted:
                picture.unread[kind] = f"there are no {kind.plural} in the input"
    detection = Detection(Choice.parse(settings.data_plane), loaded.named)
    options = Options(detection, settings.answers_everywhere_ports, unread_is_unknown=loaded.complete)
    engine = Engine(picture, consumer_families, options)
    engine.refresh_all()
    if engine.assessments and not len(picture.store(NODE)):
        raise Failure(no_node(loaded))
    warn_of_data_planes(loaded, engine)
    if not loaded.complete:
        warn_of_files(loaded, engine)
    advisor = Advisor(picture, consumer_families, lambda: engine.planes, partial(warn_of_failure, loaded))
    return Assessed(sources, loaded, namespaces, engine, advisor)
