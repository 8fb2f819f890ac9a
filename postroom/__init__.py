"""Postroom: the self-hosted email API."""

__version__ = "0.1.0"
