"""Tests of atft_pipeline.graphs."""
