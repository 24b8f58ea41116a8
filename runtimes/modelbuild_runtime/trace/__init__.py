"""Which trace a request belongs to, and the spans that are sent to whoever collects them."""
