"""What uncovered nodes mean for the traffic of each Service: pure functions of the picture."""

from etpguard.assess.assessment import Assessment, Options
from etpguard.assess.data_planes.interface import AllNodes, DataPlane, KnownDataPlane
from etpguard.assess.empty_picture import picture_for
from etpguard.assess.engine import Engine
from etpguard.assess.evidence import Evidence
from etpguard.assess.internal import InternalAssessment, InternalPort
from etpguard.assess.node_states import PortState
from etpguard.assess.outcome import Outcome, Reason

__all__ = [
    "AllNodes",
    "Assessment",
    "DataPlane",
    "Engine",
    "Evidence",
    "InternalAssessment",
    "InternalPort",
    "KnownDataPlane",
    "Options",
    "Outcome",
    "PortState",
    "Reason",
    "picture_for",
]
