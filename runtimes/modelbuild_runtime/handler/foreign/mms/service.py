"""The error that carries a status."""


class PredictionException(Exception):  # noqa: N818  # its name is what handlers import
    """An error for the client: its message and its HTTP status."""

    def __init__(self, message: str, error_code: int = 500) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code
