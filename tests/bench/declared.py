"""What is true of every host of the standard audit? Plain names, for every contestant in its own environment."""

from __future__ import annotations

SERVICES = ("cron", "nginx", "ssh")
OPEN, CLOSED = (22, 80), 8443
LET_IN, KEPT_OUT = "192.0.2.0/24", "203.0.113.0/24"
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
NAMES = {"web.example.test": "198.51.100.11", "db.example.test": "198.51.100.21"}
ITEMS = len(SERVICES) + len(OPEN) + 1 + 2 + len(PROXIES) + len(NAMES)
