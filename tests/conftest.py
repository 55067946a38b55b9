"""How long an example may take is no test: the machine may be busy. What tests keep is theirs, not the user's."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

CACHE = tempfile.mkdtemp(prefix="whyrefused-tests-")
os.environ["XDG_CACHE_HOME"] = CACHE
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)
