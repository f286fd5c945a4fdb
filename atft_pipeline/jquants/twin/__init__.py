"""A local twin of the J-Quants API V2 over the simulated market: same paths, limits, publication times and failures."""

SIMULATED_KEY = "simulated-key"
"""The key that a twin takes if no other is given; no secret, and good for nothing else."""
