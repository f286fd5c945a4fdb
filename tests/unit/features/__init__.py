"""Features: windows, families, contract, universe, targets, checks."""
