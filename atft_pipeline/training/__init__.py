"""Fitting one model: batches, phases, the loop, checkpoints, diagnostics, and the trained model as an artefact."""
