"""Candles in: sources, the contract they are held to, resampling, and the lake of monthly Parquet files."""
