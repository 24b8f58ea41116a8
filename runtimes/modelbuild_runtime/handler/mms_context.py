"""The context that handlers of Multi-Model-Server and TorchServe are called with."""

from __future__ import annotations

import logging
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from modelbuild_runtime.request import RawItem

logger = logging.getLogger("modelbuild_runtime.handler.metrics")

_UNITS = {"ms": "Milliseconds", "s": "Seconds", "MB": "Megabytes", "kB": "Kilobytes", "GB": "Gigabytes", "B": "Bytes"}


class Headers(Dict[str, Any]):
    """Request headers: HTTP does not tell upper from lower case, whatever a handler writes. Among them, as there, is an
    entry {"content-type": ...} for each field of the request, under its name.
    """

    def __init__(self, headers: Mapping[bytes, bytes], types: Mapping[str, str] = {}) -> None:
        super().__init__({name.lower(): {"content-type": kind} for name, kind in types.items()})
        self.update({name.decode("latin-1").lower(): _text(value) for name, value in headers.items()})

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.lower() if isinstance(name, str) else name)

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class RequestProcessor:
    """The headers of one request, the status and headers of its answer, and the parts of the answer that the handler
    gave before the whole was there. ``take`` takes these as they come; unless replaced, it keeps them in ``parts``.
    """

    def __init__(self, headers: Mapping[bytes, bytes], types: Mapping[str, str] = {}) -> None:
        self.request_headers = Headers(headers, types)
        self.status = 200
        self.phrase = ""
        self.response_headers: Dict[str, str] = {}
        self.parts: List[Any] = []
        self.take: Callable[[Any], None] = self.parts.append

    def get_request_property(self, name: str) -> Optional[str]:
        value: Optional[str] = self.request_headers.get(name)
        return value

    def get_request_properties(self) -> Headers:
        return self.request_headers

    def report_status(self, code: int, reason_phrase: str = "") -> None:
        self.status, self.phrase = int(code), reason_phrase

    def get_response_status_code(self) -> int:
        return self.status

    def get_response_status_phrase(self) -> str:
        return self.phrase

    def add_response_property(self, name: str, value: str) -> None:
        self.response_headers[name] = value

    def get_response_headers(self) -> Dict[str, str]:
        return self.response_headers

    def get_response_header(self, name: str) -> Optional[str]:
        return self.response_headers.get(name)


class Metrics:
    """A handler's own metrics, written to the log as those servers do."""

    def add_counter(self, name: str, value: float, idx: Any = None, dimensions: Any = None) -> None:
        self._write(name, value, "Count", idx, dimensions)

    def add_time(self, name: str, value: float, idx: Any = None, unit: str = "ms", dimensions: Any = None) -> None:
        self._write(name, value, unit, idx, dimensions)

    def add_size(self, name: str, value: float, idx: Any = None, unit: str = "MB", dimensions: Any = None) -> None:
        self._write(name, value, unit, idx, dimensions)

    def add_percent(self, name: str, value: float, idx: Any = None, dimensions: Any = None) -> None:
        self._write(name, value, "Percent", idx, dimensions)

    def add_error(self, name: str, value: Any, dimensions: Any = None) -> None:
        self._write(name, value, "", None, dimensions)

    def add_metric(
        self, name: str, value: float, unit: str = "Count", idx: Any = None, dimensions: Any = None, **_: Any
    ) -> None:
        self._write(name, value, unit, idx, dimensions)

    def _write(self, name: str, value: Any, unit: str, idx: Any, dimensions: Any) -> None:
        labels = [f"{item.name}:{item.value}" for item in dimensions or ()]
        labels += [f"requestId:{idx}"] if idx is not None else []
        logger.info("%s.%s:%s|#%s", name, _UNITS.get(unit, unit), value, ",".join(labels))


class Context:
    """One model and the requests of one call."""

    def __init__(
        self,
        model_name: str,
        model_dir: str,
        manifest: Mapping[str, Any],
        batch_size: int = 1,
        gpu: Optional[int] = None,
        mms_version: str = "1.1",
        limit_max_image_pixels: bool = True,
        metrics: Optional[Metrics] = None,
        model_yaml_config: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.model_name = model_name
        self.manifest = dict(manifest)
        self.system_properties: Dict[str, Any] = {
            "model_dir": model_dir,
            "gpu_id": gpu,
            "batch_size": batch_size,
            "server_name": "MMS",
            "server_version": mms_version,
            "limit_max_image_pixels": limit_max_image_pixels,
        }
        self.model_yaml_config = dict(model_yaml_config or {})
        self.request_ids: Dict[int, str] = {}
        self.request_processor: List[RequestProcessor] = [RequestProcessor({})]
        self.metrics = metrics or Metrics()
        self.stopping_criteria: Any = None

    def begin(self, items: Sequence[RawItem]) -> None:
        """Turn to the requests of the next call."""
        self.request_ids = {index: item.id for index, item in enumerate(items)}
        self.request_processor = [RequestProcessor(_headers(item), field_types(item)) for item in items]

    def give(self, parts: Mapping[int, Any]) -> None:
        """One more part of the answer to each of these requests, by their index."""
        for index, part in parts.items():
            self.request_processor[index].take(part)

    def get_request_id(self, idx: int = 0) -> Optional[str]:
        return self.request_ids.get(idx)

    def get_sequence_id(self, idx: int = 0) -> str:
        return self.get_request_header(idx, "ts_request_sequence_id") or ""

    def get_request_header(self, idx: int, key: str) -> Optional[str]:
        return self.request_processor[idx].get_request_property(key)

    def get_all_request_header(self, idx: int) -> Dict[str, str]:
        return self.request_processor[idx].get_request_properties()

    def set_response_content_type(self, idx: int, value: str) -> None:
        self.set_response_header(idx, "content-type", value)

    def get_response_content_type(self, idx: int) -> Optional[str]:
        return self.get_response_headers(idx).get("content-type")

    def get_response_headers(self, idx: int) -> Dict[str, str]:
        return self.request_processor[idx].get_response_headers()

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        self.request_processor[idx].add_response_property(key.lower(), str(value))

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        if idx < len(self.request_processor):
            self.request_processor[idx].report_status(code, phrase)

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        for processor in self.request_processor:
            processor.report_status(code, phrase)

    def get_response_status(self, idx: int) -> Tuple[int, str]:
        processor = self.request_processor[idx]
        return processor.status, processor.phrase


def _headers(item: RawItem) -> Mapping[bytes, bytes]:
    """A request's headers; one of them says that an explanation is wanted."""
    headers = {b"content-type": item.content_type.encode("latin-1"), **item.headers}
    return {**headers, b"explain": b"True"} if item.explain else headers


def field_types(item: RawItem) -> Mapping[str, str]:
    """The media types of the fields: those of a form are their own, a body's is the request's."""
    if item.types:
        return item.types
    kind = item.content_type.partition(";")[0].strip()
    return {name: kind if name == "body" else "" for name in item.fields}
