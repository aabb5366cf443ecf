"""The service: REST, the web page, and the jobs that were submitted over them.

Never imports Ray, whose core ends its process when a cluster's head dies.
"""

from __future__ import annotations
