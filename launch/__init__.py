"""What both backends do before they serve: read settings, listen, find Redis, and share what workers know.

It is the same on both and says nothing of ASGI or WSGI, so it is here once.
"""
