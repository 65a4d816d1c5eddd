"""Loading models and describing what is in them."""
