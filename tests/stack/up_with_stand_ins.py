"""`python -m stack` with stand-ins for both backends, which are tested elsewhere."""

import sys
from dataclasses import replace

from stack import __main__
from stack.profiles import PROFILES
from tests.stack.conftest import STAND_IN

for name, profile in PROFILES.items():
    PROFILES[name] = replace(profile, command=STAND_IN.command)

sys.exit(__main__.main())
