"""What a chat decides, without waiting: no I/O, no clock but the one it is given, no framework.

``async_chat`` and ``sync_chat`` are the two shells around this package; they hold the waiting, the locking and the
framework calls, and nothing else.
"""
