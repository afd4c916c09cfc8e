"""How etpguard knows a rule or a fact."""

from __future__ import annotations

from enum import Enum


class Evidence(Enum):
    """How the rule of a consumer, or the data plane of a node, is known."""

    OBSERVED = "observed"
    """An API object shows it."""
    DOCUMENTED = "documented"
    """The source or the documentation of the controller, for an object that is recognised as the controller's."""
    STATED = "stated"
    """A flag says it."""
    ASSUMED = "assumed"
    """Nothing in the API shows that the rule applies to this object."""
