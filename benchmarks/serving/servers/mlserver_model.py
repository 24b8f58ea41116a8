"""MLServer: a custom runtime, as its documentation has it."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from w1_model import predict


class W1(MLModel):
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        answers = np.array(predict(rows), dtype=np.float32)
        outputs = [NumpyCodec.encode_output("probabilities", answers)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
