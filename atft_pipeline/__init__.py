"""The domain library: pure functions, frozen dataclasses and torch modules, one folder per stage."""
