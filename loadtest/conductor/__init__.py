"""The conductor of a run: starts what is measured, tells the generator when, watches, and writes everything down."""
