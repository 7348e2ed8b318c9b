"""Every feature group, one file each."""
