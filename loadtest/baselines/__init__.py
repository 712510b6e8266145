"""What people write from the tutorials, each in about 30 lines, and a server that only writes.

They speak just enough of our protocol to be measured by the same generator: `join` and `post` are answered, and a
`message` push carries the room's offset. No log, no sessions, no limits, no second process.
"""
