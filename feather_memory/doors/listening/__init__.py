"""Listening on a port: by one process or several, and not for ever to who says nothing."""

from feather_memory.doors.listening.port import listen, listen_at

__all__ = ["listen", "listen_at"]
