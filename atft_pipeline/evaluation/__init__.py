"""Purged folds, metrics with honest error bars, portfolios after costs, reports and promotion."""
