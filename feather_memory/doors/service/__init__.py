"""Many tenants' memories over HTTP: `service_app` is an ASGI application."""

from feather_memory.doors.service.app import service_app
from feather_memory.doors.service.settings import ServiceSettings

__all__ = ["ServiceSettings", "service_app"]
