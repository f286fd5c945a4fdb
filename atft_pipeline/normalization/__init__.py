"""Normalization: over a day's stocks, over a fold's training dates, and the statistics both are judged by."""

from atft_pipeline.normalization.affine import Affine, fit_affine, fit_affines
from atft_pipeline.normalization.cross_section import normalize_cross_section, rank_gauss, robust_z
from atft_pipeline.normalization.moments import date_moments, merge_moments
from atft_pipeline.normalization.targets import normalize_target

__all__ = [
    "Affine",
    "date_moments",
    "fit_affine",
    "fit_affines",
    "merge_moments",
    "normalize_cross_section",
    "normalize_target",
    "rank_gauss",
    "robust_z",
]
