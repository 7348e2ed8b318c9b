"""Kernels on frames: windows, indicators, resampling. Pure."""
