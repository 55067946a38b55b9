"""What must a machine have for the kernel to be asked?"""

from __future__ import annotations

import os
import shutil

import pytest

TOOLS = ("nft", "ip", "iptables-nft-restore", "iptables-legacy-restore", "ipset")
missing = [tool for tool in TOOLS if not shutil.which(tool)]
root_and_tools = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}"),
]
