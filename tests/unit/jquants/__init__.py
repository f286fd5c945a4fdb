"""Tests of the sources and of what they speak."""
