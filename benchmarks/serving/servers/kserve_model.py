"""KServe: a custom predictor, as its documentation has it."""

import kserve
from w1_model import predict


class W1(kserve.Model):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ready = True

    async def predict(self, payload: dict, *_: object, **__: object) -> dict:
        return {"predictions": predict(payload["instances"])}


if __name__ == "__main__":
    kserve.ModelServer().start([W1("w1")])
