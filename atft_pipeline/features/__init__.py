"""The feature contract and what is made to it: universe, features, targets and their checks."""

from atft_pipeline.features.compute import compute_features
from atft_pipeline.features.contract import CONTRACT, Column, Contract

__all__ = ["CONTRACT", "Column", "Contract", "compute_features"]
