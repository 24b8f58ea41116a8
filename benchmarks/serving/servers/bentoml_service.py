"""BentoML: a service of one function in one process."""

import bentoml
from w1_model import predict as answers


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class W1:
    @bentoml.api
    async def predict(self, instances: list[list[float]]) -> dict[str, list[list[float]]]:
        return {"predictions": answers(instances)}
