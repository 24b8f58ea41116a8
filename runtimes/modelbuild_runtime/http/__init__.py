"""HTTP/1.1: connections, requests, responses, routes, limits. Knows nothing of models."""
