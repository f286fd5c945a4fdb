"""Tests of atft_pipeline.training."""
