"""The kernel as the oracle: rules are loaded in namespaces, real packets are sent, and what comes back is the truth.

The verdicts of the firewall package are held against it. `rig` wires the namespaces and asks; `probe` knows the bytes.
"""

from .probe import Probe
from .responders import PORTS
from .rig import Rig
from .space import RigError

__all__ = ["PORTS", "Probe", "Rig", "RigError"]
