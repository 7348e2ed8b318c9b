"""The language: what a table is, and how its rows follow from those of others. Pure."""
