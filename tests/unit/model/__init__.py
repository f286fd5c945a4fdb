"""Tests of atft_pipeline.model."""
