"""Faults under load, and proof from records alone that the promise of docs/design.md held.

Clients write down all that they send and receive (`history`); `checker` is a pure function from that to findings.
`run` starts servers by `stack`, lets a crowd chat, does one fault to them, waits until all is quiet, and checks.
"""
