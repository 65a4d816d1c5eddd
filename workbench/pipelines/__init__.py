"""Pipelines over models: requests that run together as batches."""
