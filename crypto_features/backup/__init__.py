"""A copy of a data folder, taken while the platform runs, and how it comes back."""
