"""The serving process: loading, warming up, proving, listening, draining, and workers."""
