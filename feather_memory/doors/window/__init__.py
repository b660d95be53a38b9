"""A page for the person whose memory it is: to see what is remembered, and to put it right."""

from feather_memory.doors.window.app import window_app
from feather_memory.doors.window.visits import Visits

__all__ = ["Visits", "window_app"]
