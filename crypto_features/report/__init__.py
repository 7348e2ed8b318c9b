"""How a feature went with the returns that followed it: a description of the past, for a quant to read first."""

from crypto_features.report.measure import FeatureReport, measure
from crypto_features.report.published import feature_report
from crypto_features.report.returns import ForwardReturns, forward_returns

__all__ = ["FeatureReport", "ForwardReturns", "feature_report", "forward_returns", "measure"]
