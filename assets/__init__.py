"""The asset graph: one file per stage, holding its assets and their checks. Formulas live in `atft_pipeline`."""
