"""The catalog as one page: what each table and feature is, where it comes from, and how it did."""
