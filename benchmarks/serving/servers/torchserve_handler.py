"""TorchServe: a handler of one function. Its worker hands over a list of requests and wants a list of answers."""

from w1_model import predict


def handle(data: list | None, _context: object) -> list | None:
    if not data:
        return None
    bodies = [item.get("body") or item.get("data") for item in data]
    return [{"predictions": predict(body["instances"])} for body in bodies]
