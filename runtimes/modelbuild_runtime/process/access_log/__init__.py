"""The access log, when it is asked for."""
