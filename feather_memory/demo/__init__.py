"""The demo: nine months of a conversation, and what a memory makes of them."""

from feather_memory.demo.story import run

__all__ = ["run"]
