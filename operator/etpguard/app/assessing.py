"""The picture of the cluster and the engine that assesses it, with the options that the assessments depend on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from etpguard.assess import Engine, Options, picture_for
from etpguard.assess.consumers.families.aws_lbc import AwsLoadBalancerController
from etpguard.assess.consumers.registry import ConsumerOptions, consumer_families
from etpguard.assess.data_planes.choice import Choice
from etpguard.assess.data_planes.detection import Detection
from etpguard.cluster import Picture
from etpguard.intake.inbox import AssessAll, Inbox
from etpguard.objects import GROUP, AnyKind
from etpguard.objects.named import NamedObjects
from etpguard.remediate.kinds import REMEDIATION_KINDS
from etpguard.settings import Settings, SettingsError

NOT_READ = NamedObjects.none_read("it has not been read yet")


class Assessing:
    """`assessed` is set once every Service is assessed. After a change of options, a message in `inbox` asks for
    another assessment of every Service. Raises SettingsError.

    `consumer_options` are the present ones; `use_options` replaces them.
    """

    def __init__(
        self, settings: Settings, inbox: Inbox, assessed: asyncio.Event, consumer_options: ConsumerOptions | None
    ) -> None:
        self._settings = settings
        self._inbox = inbox
        self._assessed = assessed
        self.consumer_options = consumer_options or ConsumerOptions()
        self.families = consumer_families(consumer_options)
        self.picture = picture_for(self.families, REMEDIATION_KINDS if settings.remediation else ())
        skipped = skipped_kinds(self.picture.kinds, settings.skip_api_groups)
        self.picture.switched_off = skipped
        self.picture.unread.update(dict.fromkeys(skipped, "switched off by --skip-api-groups"))
        self.kinds = [kind for kind in self.picture.kinds if kind not in skipped]
        """The kinds that are read."""
        self._detection = self._detection_by(NOT_READ)
        self.engine = self.engine_for(self.picture)

    def engine_for(self, picture: Picture) -> Engine:
        """An engine with the present options, for another picture."""
        options = Options(
            data_planes=self._detection, answers_everywhere_ports=self._settings.answers_everywhere_ports
        )
        return Engine(picture, self.families, options)

    def assess_all(self) -> None:
        """Ask for an assessment of every Service, by the present options."""
        self._inbox.put(AssessAll(self._assessed))

    def use_options(self, options: ConsumerOptions) -> None:
        """The controllers have other options now."""
        self.consumer_options = options
        for family in self.families:
            if isinstance(family, AwsLoadBalancerController):
                family.options = options.aws
        self._inbox.put(AssessAll(asyncio.Event()))

    def use_objects(self, objects: NamedObjects) -> None:
        """The objects that show the data plane have changed."""
        self._detection = self._detection_by(objects)
        self.engine.use_data_planes(self._detection)
        if self._assessed.is_set():
            self._inbox.put(AssessAll(asyncio.Event()))

    def _detection_by(self, objects: NamedObjects) -> Detection:
        return Detection(Choice.parse(self._settings.data_plane), objects)


def skipped_kinds(kinds: Iterable[AnyKind], groups: frozenset[str]) -> frozenset[AnyKind]:
    """The kinds of these API groups. Raises SettingsError for a group without an optional kind."""
    own = ("", GROUP, "networking.k8s.io")
    optional = [kind for kind in kinds if not kind.required and kind.switch not in own]
    known = sorted({kind.switch for kind in optional})
    for group in sorted(groups.difference(known)):
        raise SettingsError(f"--skip-api-groups: {group!r} is not one of {', '.join(known)}")
    return frozenset(kind for kind in optional if kind.switch in groups)
