"""From the environment to a listening socket, or to one clear line and an exit code."""

import os
import resource
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from socket import socket

from chat_core.settings import BackendName, Settings, SettingsError, read
from launch import logs
from launch.errors import LaunchError
from launch.exporter import exporter
from launch.listener import listen
from launch.redis_check import check_redis
from launch.workers import shared_directory


def start(backend: BackendName, serve: Callable[[Settings, socket], None]) -> int:
    """Serve ``backend`` until told to stop; return the exit code: 0, or 2 for what whoever starts it has to mend."""
    logs.configure()
    with ExitStack() as held:
        try:
            settings = read(backend, os.environ)
            silence = settings.ping_interval + settings.ping_timeout
            listener = held.enter_context(listen(settings.host, settings.port, silence=silence))
            watched = (
                listen(settings.host, settings.metrics_port, "CHAT_METRICS_PORT") if settings.metrics_port else None
            )
            check_redis(settings.redis_url, settings.shards)
            directory = held.enter_context(shared_directory(settings.runtime_dir))
        except (SettingsError, LaunchError) as error:
            print(f"{backend}_chat: {error}", file=sys.stderr)
            return 2
        _raise_descriptor_limit()
        # Workers are other processes and read the environment as this one did.
        os.environ["CHAT_RUNTIME_DIR"] = directory
        with exporter(directory, watched):
            serve(replace(settings, runtime_dir=directory), listener)
    return 0


def _raise_descriptor_limit() -> None:
    """A connection is a descriptor: take all that the machine grants."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
