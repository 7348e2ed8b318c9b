"""The forecast knows nothing before its time; its model is fitted again by the leak test."""

from my_forecast import outlook, traits

from crypto_features.leak.plugin import leak_tests

test_leaks = leak_tests(traits, outlook)
