"""What was known at a time: versions of candles, and the rows that a build would have made then."""
