"""What pickles would do: read as programs, never run."""
