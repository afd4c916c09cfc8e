"""A report as one HTML file, which needs no network and no other file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etpguard.objects.times import rfc3339
from etpguard.page import PageContents, page_view, recorded_statuses, render, why_not_remediated, zones_of
from etpguard.report import Contents

if TYPE_CHECKING:
    from etpguard.assess import Assessment
    from etpguard.cli.input.sources import Assessed


def html(assessed: Assessed, chosen: Sequence[Assessment]) -> str:
    picture = assessed.loaded.picture

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
        recorded=recorded_statuses(picture),
        why_not=why_not_remediated(picture),
    )
    return render(page_view(page))
