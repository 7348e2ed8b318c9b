"""How Dagster is run."""
