"""A report as one HTML file, which needs no network and no other file."""

from __future__ import annotations

import time

from msgspec.structs import replace

from etpguard.cli.reading import ClusterReport
from etpguard.objects.times import rfc3339
from etpguard.page import (
    PageContents,
    page_view,
    recorded_statuses,
    render,
    why_not_remediated,
)


def html(report: ClusterReport) -> str:
    picture = report.assessed.loaded.picture
    page = PageContents(
        # The page shows the advice in its parts.
        contents=replace(report.contents(max_nodes=0), advice=lambda assessment: ()),
        zones=report.assessed.engine.zones,
        advisor=report.assessed.advisor,
        source=report.assessed.loaded.where,
        made=rfc3339(time.time()),
        recorded=recorded_statuses(picture),
        why_not=why_not_remediated(picture),
    )
    return render(page_view(page))
