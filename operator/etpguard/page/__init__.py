"""The report as one self-contained HTML page: for a file (`check -o html`) and for the operator's page. Pure.

Three steps: the assessments become view records (`view`, with the columns of `matrix`), and a template turns these
into text (`render`). The template shows what the records say and decides nothing.
"""

from etpguard.page.recorded import recorded_statuses, why_not_remediated
from etpguard.page.render import Assets, render
from etpguard.page.view import (
    PageContents,
    PageView,
    ServiceViews,
    Status,
    page_view,
    service_views,
)

__all__ = [
    "Assets",
    "PageContents",
    "PageView",
    "ServiceViews",
    "Status",
    "page_view",
    "recorded_statuses",
    "render",
    "service_views",
    "why_not_remediated",
]
