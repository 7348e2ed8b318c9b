"""From a candle that closes to the features of its bar in the online store, by the batch's own declarations."""
