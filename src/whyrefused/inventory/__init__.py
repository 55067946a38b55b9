"""Ansible's inventory -> hosts and their expectations; every error names file and key."""
