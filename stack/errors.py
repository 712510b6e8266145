"""What can go wrong here, said in one line."""


class StackError(Exception):
    """A server could not be started or kept. The text is one line for a person; notes hold the end of its log."""
