"""Feast made safe: the offline store on Polars, the guarded online stores, the registry and the Dagster resource."""
