"""What follows from what was recorded: verdicts, intervals, comparisons. Nothing here measures anything."""
