"""Run the kernel oracle: `make oracle`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracle.run import main  # noqa: E402 - the package is found by the line above

sys.exit(main())
