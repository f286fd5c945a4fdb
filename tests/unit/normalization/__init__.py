"""Normalization: cross-sections, statistics, the fold's affine."""
