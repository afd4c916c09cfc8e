"""A report as one HTML file, which needs no network and no other file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etpguard.objects import SERVICE_COVERAGE, Key
from etpguard.objects.times import rfc3339
from etpguard.page import PageContents, page_view, render, zones_of
from etpguard.report import Contents

if TYPE_CHECKING:
    from etpguard.assess import Assessment
    from etpguard.cli.input.sources import Assessed
    from etpguard.report.contract import Json


def html(assessed: Assessed, chosen: Sequence[Assessment]) -> str:
    picture = assessed.loaded.picture

    def recorded(key: Key) -> Json | None:
        report = picture.get(SERVICE_COVERAGE, key)
        return report.status if report else None

    contents = Contents(
        planes=assessed.engine.planes,
        nodes=picture.nodes.present,
        assessments=chosen,
        table=picture.nodes,
        advice=lambda assessment: (),
        warnings=assessed.warnings,
        not_read=assessed.loaded.not_read,
    )
    page = PageContents(
        contents=contents,
        zones=zones_of(picture),
        advisor=assessed.advisor,
        source=assessed.loaded.where,
        made=rfc3339(time.time()),
        recorded=recorded,
    )
    return render(page_view(page))
