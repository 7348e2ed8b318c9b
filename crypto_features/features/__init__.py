"""Ring 1, pure: what a feature is, every feature there is, and how one partition of them is computed."""
