"""MLeap's leap frames (github.com/combust/mleap, 0.25): a schema and rows, as JSON and in its binary format."""
