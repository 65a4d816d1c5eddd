"""What shows pipelines: the panel, and the cards of what they answer."""
