"""The version of every table, and the plan: what is stale, and why."""
