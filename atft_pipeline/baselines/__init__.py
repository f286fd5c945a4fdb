"""Baselines on the same folds and the same inputs as the network: ridge and two plain signals."""
