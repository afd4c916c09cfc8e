"""MetalLB: a node announces an address, by ARP or BGP, only while it has an endpoint itself."""

from etpguard.assess.consumers.families.metallb.family import CLASSES as CLASSES
from etpguard.assess.consumers.families.metallb.family import MetalLB as MetalLB
from etpguard.assess.consumers.families.metallb.sharing import Sharers as Sharers
from etpguard.assess.consumers.families.metallb.sharing import sharing as sharing
