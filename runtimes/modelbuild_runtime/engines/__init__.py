"""One folder a framework. Its ``engine.py`` has ``load(path, options)``, which returns an ``Engine``."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Protocol, Sequence, Tuple, Union

import msgspec
import numpy as np

from modelbuild_runtime.signature import Signature


class EngineOptions(msgspec.Struct, frozen=True):
    """``threads`` is the number of cores that one prediction may use; ``signature`` is what the builder read
    (empty where the artifact does not say); ``options`` are the runtime's own, from the manifest. ``examples`` are
    bodies for POST /predict that reach the model as they are. ``handler`` is the user's module, for formats that leave
    the code of a model to it.
    """

    threads: int = 1
    signature: Signature = Signature()
    options: Dict[str, Any] = {}
    examples: Tuple[Any, ...] = ()
    handler: Optional[ModuleType] = None


Predicted = Union[Dict[str, np.ndarray], List[Any]]
"""What an engine answers."""


class Engine(Protocol):
    """Runs one loaded model. ``model`` is the framework's own object, for handlers that have a ``predict``. An engine
    whose inputs cannot be made up, such as images in files, has an ``example``: one row that it takes, by name. One
    that answers objects says what they are in ``answers``: a JSON Schema for each such output, by name.
    """

    model: Any

    def signature(self) -> Signature:
        """Names, datatypes and shapes in and out, as complete as the framework knows them."""
        ...

    def predict(self, inputs: Mapping[str, np.ndarray]) -> Predicted:
        """Arrays by name, in the datatypes of the signature, to arrays by name. A pandas.DataFrame is taken too
        where ``signature().columns`` is true. Where a row's answer is no value of a datatype, such as the names found
        in a text, the answer is a list of one JSON-able object a row instead, its keys the names of the signature.
        """
        ...


class AskedEngine(Protocol):
    """An engine whose answers hang on a request's parameters. ``parameters`` are JSON Schemas of those, by name."""

    parameters: Dict[str, Any]

    def predict(
        self, inputs: Mapping[str, np.ndarray], parameters: Optional[Mapping[str, Any]] = None
    ) -> Dict[str, np.ndarray]:
        """As any engine's, for rows that all have the same parameters. Raises ``InvalidInput`` for a parameter that it
        does not take.
        """
        ...


class WritingEngine(AskedEngine, Protocol):
    """An engine whose answers are made piece by piece: it has ``stream``, too."""

    def stream(self, inputs: Mapping[str, np.ndarray], parameters: Optional[Mapping[str, Any]] = None) -> Iterator[str]:
        """The answer to one row in parts, each made when it is asked for."""
        ...


class RowsEngine(WritingEngine, Protocol):
    """An engine whose rows may be more than values of datatypes, such as the messages of a dialogue. ``record`` is the
    JSON Schema of a row, as an object; ``predict`` and ``stream`` take the fields as arrays of objects, None where a
    row lacks one.
    """

    record: Dict[str, Any]

    def convert(self, rows: Sequence[Any]) -> List[Dict[str, Any]]:
        """Rows as clients send them, checked. Raises ``InvalidInput``, which names the field."""
        ...


class LoadEngine(Protocol):
    """``load`` of an ``engine.py``. ``path`` is the artifact's file or folder."""

    def __call__(self, path: Path, options: EngineOptions) -> Engine: ...


class Sample(NamedTuple):
    """What a runtime's ``sample.py`` makes for the tests: ``make(folder)`` writes a tiny artifact into the folder and
    says what it answers. ``request`` is a body for POST /predict, one object or a list of them; ``expected`` is the
    answer as the framework itself computes it. ``options`` go to the manifest's ``runtime.options``; ``handler`` is the
    file of the handler that belongs to it.

    Beside it ``answers(path, rows)`` says what the framework answers to any rows, one object each, with None for what
    is missing: by its plainest call, and with its own exception where it refuses them.
    """

    path: Path
    request: Any
    expected: Any
    options: Mapping[str, Any] = MappingProxyType({})
    handler: Optional[Path] = None
