"""How both backends log: one format to standard error, in every process."""

import logging


def configure() -> None:
    """Set logging up; to be called in each process that serves."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for server in ("uvicorn", "gunicorn"):
        logging.getLogger(server).setLevel(logging.WARNING)
