"""Tests of atft_pipeline.losses."""
