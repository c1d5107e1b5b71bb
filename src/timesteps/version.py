"""The version, in its one place besides the package's metadata (a test compares the two)."""

__version__ = "0.1.0"
