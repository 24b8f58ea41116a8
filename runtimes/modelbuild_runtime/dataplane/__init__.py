"""From checked requests to one run of the model and back: knows no protocol, no HTTP and no framework."""
