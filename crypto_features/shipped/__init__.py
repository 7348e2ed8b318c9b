"""The shipped catalog."""
