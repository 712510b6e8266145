"""The benchmark: the highest rate of deliveries that each server holds, step by step, and what must hold beside."""
