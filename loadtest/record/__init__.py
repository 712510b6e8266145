"""A run on disk: one directory that says what was asked, what was done, what was seen, and what follows from it."""
