"""The command line: `feather-memory`."""

from feather_memory.cli.app import app

__all__ = ["app"]
