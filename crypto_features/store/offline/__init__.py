"""Point-in-time joins: a Feast offline store on Polars."""
