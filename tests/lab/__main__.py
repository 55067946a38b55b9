"""Which lab command was typed? `python tests/lab up`, `down`, `hosts`, `exec`, `ssh`, `audit`, `build`, `missing`."""

import sys
from pathlib import Path

if not __package__:
    # `python tests/lab` puts this very folder first on the path; the package `lab` is found from its parent.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from lab.command import main

sys.exit(main())
