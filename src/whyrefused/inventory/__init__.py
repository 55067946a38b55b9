"""Ansible's inventory -> hosts and their expectations; every error names file and key."""

from whyrefused.inventory.loading import load

__all__ = ["load"]
