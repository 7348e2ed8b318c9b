"""The desk's features know nothing before its time."""

from my_desk import momentum

from crypto_features.leak import leak_test


def test_no_feature_leaks() -> None:
    report = leak_test(momentum)
    assert report.passed, str(report)
