"""Registries: references, credentials, pushing."""
