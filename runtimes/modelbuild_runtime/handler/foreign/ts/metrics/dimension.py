"""A label of a metric."""


class Dimension:
    """``name`` and ``value`` of a label."""

    def __init__(self, name: str, value: object) -> None:
        self.name = name
        self.value = value
