"""Why was the connection refused? Expectations per host, checked over SSH, each failure with its cause."""

__version__ = "0.1.0"
