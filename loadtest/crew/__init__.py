"""The generator: users who do what the plan says, in processes of their own, and the books that are kept of it."""
