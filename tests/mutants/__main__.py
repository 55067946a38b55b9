"""Do the tests notice? `python tests/mutants [MODULE …]`."""

import sys
from pathlib import Path

if not __package__:
    # `python tests/mutants` puts this very folder first on the path; the package is found from its parent.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from mutants.run import main

sys.exit(main())
