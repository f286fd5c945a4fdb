"""Tests of the assets and their checks."""
