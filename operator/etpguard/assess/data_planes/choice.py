"""The data planes that `--data-plane` names. Pure.

The text is a list of entries separated by ";". An entry is a name, for all nodes that no other entry selects, or
NAME:LABEL-SELECTOR. The first entry that selects a node counts. `auto`, or no entry without a selector, leaves the
other nodes to the detection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etpguard.assess.data_planes.interface import DataPlane
from etpguard.assess.node_selection import label_selector
from etpguard.objects import Requirement

AUTO = "auto"
SEPARATOR = ";"


@dataclass(frozen=True, slots=True)
class Choice:
    """`selected` has the entries with a selector. `others` is the data plane of all other nodes; None for auto."""

    selectors: tuple[tuple[DataPlane, tuple[Requirement, ...]], ...] = ()
    others: DataPlane | None = None

    @classmethod
    def parse(cls, text: str) -> Choice:
        """Raises ValueError, which says what is expected."""
        selectors: list[tuple[DataPlane, tuple[Requirement, ...]]] = []
        others: list[str] = []
        for entry in filter(None, map(str.strip, text.split(SEPARATOR))):
            name, colon, selector = entry.partition(":")
            if not colon:
                others.append(name)
                if name != AUTO:
                    _data_plane(name)
                continue
            requirements = label_selector(selector)
            if not requirements:
                raise ValueError(f"a label selector after {name}:, but {selector!r} is not one")
            selectors.append((_data_plane(name), requirements))
        if len(others) > 1:
            raise ValueError(f"one entry without a label selector at most, but there are {' and '.join(others)}")
        name = others[0] if others else AUTO
        return cls(tuple(selectors), None if name == AUTO else DataPlane(name))

    def selected(self, labels: Mapping[str, str]) -> int:
        """The number of the entry whose selector admits these labels, -1 for none."""
        for number, (_, requirements) in enumerate(self.selectors):
            if all(requirement.admits(dict(labels)) for requirement in requirements):
                return number
        return -1

    def plane(self, number: int) -> DataPlane | None:
        """The data plane of the nodes that entry `number` selects, or of the others for -1; None for auto."""
        return self.others if number < 0 else self.selectors[number][0]


def _data_plane(name: str) -> DataPlane:
    try:
        return DataPlane(name)
    except ValueError:
        known = ", ".join((AUTO, *(each.value for each in DataPlane)))
        raise ValueError(f"one of {known}, or NAME:LABEL-SELECTOR") from None
