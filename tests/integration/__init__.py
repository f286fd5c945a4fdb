"""The whole graph on the simulated market."""
