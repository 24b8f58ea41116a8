"""LitServe: requests that wait, 32 at most, are one batch."""

import sys

import litserve
from w1_model import predict


class W1(litserve.LitAPI):
    def setup(self, device: str) -> None:
        """The model is loaded with its module."""

    def decode_request(self, request: dict) -> list[list[float]]:
        return request["instances"]

    def batch(self, inputs: list) -> list:
        return inputs

    def predict(self, x: list) -> list:
        answers = iter(predict([row for rows in x for row in rows]))
        return [[next(answers) for _ in rows] for rows in x]

    def unbatch(self, output: list) -> list:
        return output

    def encode_response(self, output: list) -> dict:
        return {"predictions": output}


if __name__ == "__main__":
    api = W1(max_batch_size=32, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="error", generate_client_file=False)
