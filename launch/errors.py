"""Why a backend cannot be started."""


class LaunchError(Exception):
    """The message is one line that says what to mend."""
