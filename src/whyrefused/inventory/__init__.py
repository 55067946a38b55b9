"""Ansible's inventory -> hosts and their expectations; every error names file and key."""

from whyrefused.inventory.reading import load

__all__ = ["load"]
