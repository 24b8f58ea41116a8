"""From a request that was read to its one answer, or refusal."""
