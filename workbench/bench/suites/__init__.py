"""Races of many operations at many sizes: the tables that tell what is faster and what is not."""
