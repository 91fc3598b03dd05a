"""The version of this installation. Knows nothing else, so that every room may ask."""

__version__ = "0.1.0"
