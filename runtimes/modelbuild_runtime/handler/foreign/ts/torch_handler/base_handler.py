"""The class that TorchServe's handlers derive from: preprocess, inference, postprocess on a PyTorch or ONNX model."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import Any, List

from ..utils.util import list_classes_from_module, load_label_mapping  # noqa: TID252  # ts may be another's


class BaseHandler:
    """Loads the model that the manifest names; each step may be overridden."""

    def __init__(self) -> None:
        self.model: Any = None
        self.mapping: Any = None
        self.device: Any = None
        self.initialized = False
        self.context: Any = None
        self.manifest: Any = None
        self.map_location = "cpu"
        self.explain = False
        self.target = 0
        self.model_yaml_config: Any = {}

    def initialize(self, context: Any) -> None:
        """Load the model, and the labels beside it."""
        properties = context.system_properties
        self.context = context
        self.manifest = context.manifest
        self.model_yaml_config = context.model_yaml_config
        folder = Path(properties["model_dir"])
        names = self.manifest["model"]
        path = folder / names["serializedFile"] if names.get("serializedFile") else None
        if path is not None and path.suffix == ".onnx":
            self.model = self._onnx(path)
        else:
            self._load_torch(folder, path, names.get("modelFile"))
        self.mapping = load_label_mapping(str(folder / "index_to_name.json"))
        self.initialized = True

    def preprocess(self, data: Any) -> Any:
        """Requests to a tensor."""
        return _torch().as_tensor(data, device=self.device)

    def inference(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """The model's answer to a tensor."""
        with _torch().inference_mode():
            return self.model(data.to(self.device), *args, **kwargs)

    def postprocess(self, data: Any) -> List[Any]:
        """A tensor to one answer a request."""
        answers: List[Any] = data.tolist()
        return answers

    def handle(self, data: Any, context: Any) -> Any:
        """Answer one list of requests."""
        began = time.time()
        self.context = context
        if context.get_request_header(0, "describe") == "True":
            output = [self.describe_handle()]
        else:
            output = self._answers(data, explain=context.get_request_header(0, "explain") == "True")
        context.metrics.add_time("HandlerTime", round((time.time() - began) * 1000, 2), None, "ms")
        return output

    def explain_handle(self, data_preprocess: Any, raw_data: Any) -> Any:
        """What a handler's own ``get_insights`` finds, for the target that the request names."""
        row = raw_data[0]
        inputs, target = (row.get("data") or row.get("body"), row.get("target")) if isinstance(row, dict) else (None, 0)
        return self.get_insights(data_preprocess, inputs, target or 0)  # type: ignore[attr-defined]

    def describe_handle(self) -> Any:
        """What the handler says of itself."""
        return None

    def _answers(self, data: Any, *, explain: bool) -> Any:
        inputs = self.preprocess(data)
        if not explain:
            return self.postprocess(self.inference(inputs))
        self.explain = True
        return self.explain_handle(inputs, data)

    def _load_torch(self, folder: Path, path: Any, model_file: Any) -> None:
        self.device = _torch().device("cpu")
        if model_file:
            self.model = self._load_pickled_model(str(folder), model_file, str(path) if path else "")
        elif path is not None:
            self.model = self._load_torchscript_model(str(path))
        if hasattr(self.model, "eval"):
            self.model.eval()

    def _load_torchscript_model(self, model_pt_path: str) -> Any:
        return _torch().jit.load(model_pt_path, map_location=self.device)

    def _load_pickled_model(self, model_dir: str, model_file: str, model_pt_path: str) -> Any:
        """A model's class from its file, with the weights of a state dict."""
        if model_dir not in sys.path:
            sys.path.insert(0, model_dir)
        module = importlib.import_module(Path(model_file).stem)
        classes = list_classes_from_module(module)
        if len(classes) != 1:
            raise ValueError(f"{model_file} must define one class, it has {[cls.__name__ for cls in classes]}")
        model = classes[0]()
        if model_pt_path:
            model.load_state_dict(_torch().load(model_pt_path, map_location=self.device, weights_only=True))
        return model

    def _onnx(self, path: Path) -> Any:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _torch() -> Any:
    """Only handlers that run PyTorch models need it."""
    return importlib.import_module("torch")
