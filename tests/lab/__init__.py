"""What does the lab offer? Real systemd hosts on this machine, to break on purpose and look at over SSH."""

from .fleet import Lab
from .host import Host
from .place import Symptom
from .process import LabError
from .requirements import missing, unavailable
from .sshd import Counts

__all__ = ["Counts", "Host", "Lab", "LabError", "Symptom", "missing", "unavailable"]
