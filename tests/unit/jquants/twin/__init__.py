"""The local twin of the API."""
