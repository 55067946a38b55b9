"""Expectations -> the items that are judged, and the questions each host is asked for them. Pure."""
