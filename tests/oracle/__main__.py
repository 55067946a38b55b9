"""Ask the kernel: `make oracle`, or keep a case that disagreed: `python tests/oracle keep FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracle.regressions import keep
from oracle.run import main

sys.exit(keep(Path(sys.argv[2])) if sys.argv[1:2] == ["keep"] else main())
