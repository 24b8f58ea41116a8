"""Handlers: parsed, never executed."""
