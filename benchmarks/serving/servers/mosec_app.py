"""mosec: requests that wait, 32 at most, are one batch."""

import msgspec
from mosec import Server, Worker
from w1_model import predict


class W1(Worker):
    def deserialize(self, data: bytes) -> list[list[float]]:
        return msgspec.json.decode(data)["instances"]

    def forward(self, data: list[list[list[float]]]) -> list[list[list[float]]]:
        answers = iter(predict([row for rows in data for row in rows]))
        return [[next(answers) for _ in rows] for rows in data]

    def serialize(self, data: list[list[float]]) -> bytes:
        return msgspec.json.encode({"predictions": data})


if __name__ == "__main__":
    server = Server()
    server.append_worker(W1, max_batch_size=32, max_wait_time=1)
    server.run()
