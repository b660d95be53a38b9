"""What tests of applications and adapters need: an embedder without a model, a clock that waits."""

from feather_memory.testing.clock import FrozenClock
from feather_memory.testing.embedder import HashEmbedder

__all__ = ["FrozenClock", "HashEmbedder"]
