"""Measurements: seconds, memory and megabytes; printed, never asserted."""
