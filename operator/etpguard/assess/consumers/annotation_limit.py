"""The length of annotations that families read."""

from __future__ import annotations

from etpguard.assess.outcome import Reason
from etpguard.objects.records import AnnotatedRecord

MAX_ANNOTATION = 16_384
"""Characters. The longest that a controller's documentation shows has some hundreds; the API server allows 262,144
for all annotations of an object together."""


def too_long(kind: str, record: AnnotatedRecord, *prefixes: str) -> Reason | None:
    """Why the outcome is Unknown: an annotation with one of these prefixes that no family reads for its length."""
    for key, value in record.annotations.items():
        if len(value) > MAX_ANNOTATION and key.startswith(prefixes):
            return Reason(
                "InvalidAnnotation",
                f"annotation {key} of {kind} {record.key} has {len(value)} characters; etpguard reads at most "
                f"{MAX_ANNOTATION}",
            )
    return None
