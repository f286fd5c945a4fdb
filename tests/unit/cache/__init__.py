"""Tests of atft_pipeline.cache."""
