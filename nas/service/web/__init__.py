"""The web page: rendered by the service, every asset in the wheel, acting only through the REST API."""

from __future__ import annotations

from nas.service.web.login import login_page
from nas.service.web.router import router

__all__ = ["login_page", "router"]
