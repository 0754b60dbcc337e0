"""Measurements: each module here is a command."""
