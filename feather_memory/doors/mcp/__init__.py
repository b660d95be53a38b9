"""An agent's memory over the Model Context Protocol: tools, resources and a prompt."""

from feather_memory.doors.mcp.server import memory_server

__all__ = ["memory_server"]
