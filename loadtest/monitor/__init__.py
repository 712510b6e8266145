"""The monitor: a process that watches both backends from outside, hurts them when asked, and shows what happened.

What the workers say of themselves comes as datagrams (`counters`), what the machine says of them is looked up once a
second (`outside`), what clients saw comes from a crowd of our own (`crowd`, in a process of its own). Once a second all
of it becomes one tick (`watch`), which is kept for an hour and sent to every page that is open (`pages`).
"""
