"""Pipelines: models that answer texts, many callers in one batch, and whether a quantised model is worth it."""
