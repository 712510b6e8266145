"""What both backends do before they serve: read settings, listen, find Redis, and share what workers know.

It is the same on both and says nothing of ASGI or WSGI, so it is here once.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever sees this has an older one
    sys.exit("Python 3.11 or newer is needed")
