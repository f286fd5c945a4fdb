"""One file per feature family: its columns as data, each beside the function that computes it."""
