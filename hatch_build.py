"""The man page in the wheel and in the source distribution, if `make man` has made it: a build needs no Sphinx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = "build/man/etpguard.1"


class ManPage(BuildHookInterface):  # type: ignore[type-arg,misc]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        page = Path(self.root, PAGE)
        if not page.exists() or version == "editable":
            return
        if self.target_name == "wheel":
            build_data["shared_data"][str(page)] = "share/man/man1/etpguard.1"
        else:
            build_data["force_include"][str(page)] = PAGE
