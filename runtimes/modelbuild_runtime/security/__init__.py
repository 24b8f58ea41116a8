"""Who may talk to the server, and how nobody else listens: TLS, and keys."""
