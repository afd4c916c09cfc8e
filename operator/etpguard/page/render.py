"""The page as text, by a template with autoescape. Pure."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from markupsafe import Markup

from etpguard.objects.text import harmless
from etpguard.outcomes import Outcome
from etpguard.page.matrix import Mark
from etpguard.page.view import PageView


@dataclass(frozen=True, slots=True)
class Assets:
    """The style and the scripts, which are part of the page. The page makes no request to another host."""

    style: str
    script: str

    @classmethod
    def of(cls, *, live: bool) -> Assets:
        """The assets of a page. A `live` page also has the script that follows the events of the operator."""
        return _assets(live)

    @property
    def policy(self) -> str:
        """The Content-Security-Policy under which only this style and this script run."""
        return (
            f"default-src 'none'; style-src '{_digest(self.style)}'; script-src '{_digest(self.script)}'; "
            "img-src data:; base-uri 'none'; form-action 'none'"
        )


@cache
def _assets(live: bool) -> Assets:
    return Assets(_read("page.css"), _read("page.js") + (_read("live.js") if live else ""))


def render(view: PageView) -> str:
    """The HTML document. Every value is escaped, and characters that are not printable are written as escapes."""
    assets = Assets.of(live=view.page.status is not None)
    text: str = _template().render(
        view=view,
        page=view.page,
        report=view.report,
        marks=list(Mark),
        outcomes=list(Outcome),
        # The page's own files, not text from objects.
        style=Markup(assets.style),  # noqa: S704
        script=Markup(assets.script),  # noqa: S704
        policy=assets.policy,
    )
    return text


@cache
def _template() -> Any:
    from jinja2 import (  # 2 MB, which the operator needs only after somebody opens its page
        Environment,
        StrictUndefined,
    )

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    # A line feed between two elements is a node for the browser: 80,000 of them on a page with 2,000 Services.
    return environment.from_string(_read("page.html.j2").replace(">\n", ">"))


def _printable(value: object) -> object:
    return harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _read(name: str) -> str:
    return resources.files("etpguard.page").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
