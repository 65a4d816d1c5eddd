"""The operations, one module or folder each; the catalogue walks this package and reads ``OPERATIONS``."""
