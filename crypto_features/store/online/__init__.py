"""The guarded online store: never stale, never backwards, never half published."""
