"""gunicorn for `flask_loop`: its gthread worker as it is, with as many threads as there are connections."""

import os

wsgi_app = "loadtest.baselines.flask_loop:app"
bind = f"{os.environ['HOST']}:{os.environ['PORT']}"
worker_class = "gthread"
threads = int(os.environ["CONNECTIONS"]) + 8
worker_connections = threads
loglevel = "warning"
timeout = 0
graceful_timeout = 1  # handlers of open connections do not end by themselves
