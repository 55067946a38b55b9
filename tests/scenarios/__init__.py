"""Situations on real hosts, told again: README.md says how."""
