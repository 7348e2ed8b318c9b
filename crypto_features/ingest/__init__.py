"""Candles from a source into the lake."""
