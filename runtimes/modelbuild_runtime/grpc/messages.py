"""Message classes made of the files in ``protos/``, in a pool of descriptors that is ours alone.

Generated modules register their files in the pool that all of a process share, where one name may be defined once: a
handler that imports tritonclient, kserve or tensorflow would end the server, or the server it (design D11).
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any, Dict, Iterator, Mapping, Tuple, Type, Union

from modelbuild_runtime.errors import InvalidInput
from modelbuild_runtime.grpc.message_fields import FEW, admit

_PROTOS = Path(__file__).parent / "protos"
_FOREIGN = "google/protobuf/"
_making = RLock()


class Messages:
    """The messages and enums of one file, as attributes. It is read when the first of them is asked for: whoever speaks
    no gRPC never imports protobuf.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.made = False

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        self.read()
        try:
            return self.__dict__[attribute]
        except KeyError:
            raise AttributeError(f"{self._name}.proto defines no {attribute}") from None

    def read(self) -> None:
        """Make all classes now, once."""
        with _making:
            if not self.made:
                self.__dict__.update(_pool().classes(f"{self._name}.proto"), made=True)


@cache
def load(name: str) -> Messages:
    """The messages of protos/<name>.proto."""
    return Messages(name)


def parse(kind: Any, body: Union[bytes, bytearray], most: int = FEW) -> Any:
    """A message of one kind, of at most so many values.

    Raises:
        InvalidInput: the bytes are none.
        TooLarge: it holds more.
    """
    body = bytes(body)
    admit(kind.DESCRIPTOR, body, most)
    try:
        return kind.FromString(body)
    except (_decode_error(), UnicodeDecodeError) as error:
        raise InvalidInput(f"the message is no {kind.DESCRIPTOR.name}") from error


def prepared() -> bool:
    """Whether all files are read."""
    return all(messages.made for messages in _all())


def prepare() -> None:
    """Read all files, so that no request has to wait for it: tens of milliseconds, and 4 MB."""
    for messages in _all():
        messages.read()


@cache
def _all() -> Tuple[Messages, ...]:
    return tuple(load(path.stem) for path in sorted(_PROTOS.glob("*.proto")))


@cache
def described() -> Described:
    """All files, for reflection."""
    prepare()
    return _pool().described()


class Described:
    """Files by name, serialised; ``services`` are the full names of those in them."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        self.services = tuple(
            sorted(f"{file.package}.{service.name}" for file in files.values() for service in file.service)
        )
        self._bytes = {name: file.SerializeToString() for name, file in files.items()}
        self._imports = {name: tuple(file.dependency) for name, file in files.items()}
        self._symbols = {symbol: name for name, file in files.items() for symbol in _symbols(file)}

    def file_of(self, symbol: str) -> str:
        """The name of the file that defines a message, an enum, a service or a method; empty where none does."""
        return self._symbols.get(symbol.lstrip("."), "")

    def with_imports(self, name: str) -> Tuple[bytes, ...]:
        """A file and all that it imports, nothing where there is none of that name."""
        found: Dict[str, bytes] = {}
        self._collect(name, found)
        return tuple(found.values())

    def _collect(self, name: str, found: Dict[str, bytes]) -> None:
        if name in self._bytes and name not in found:
            found[name] = self._bytes[name]
            for imported in self._imports[name]:
                self._collect(imported, found)


def _symbols(file: Any) -> Iterator[str]:
    from modelbuild_runtime.grpc.proto_text import defined

    yield from (name.lstrip(".") for name in defined(file))
    for service in file.service:
        yield f"{file.package}.{service.name}"
        yield from (f"{file.package}.{service.name}.{method.name}" for method in service.method)


class _Pool:
    """One pool for all files, so that what two of them import is one class."""

    def __init__(self) -> None:
        from google.protobuf import descriptor_pool

        self._pool = descriptor_pool.DescriptorPool()
        self._names: Dict[str, Mapping[str, bool]] = {}
        self._files: Dict[str, Any] = {}

    def classes(self, name: str) -> Dict[str, Any]:
        from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

        self._add(name)
        file = self._pool.FindFileByName(name)
        found: Dict[str, Any] = {key: _class_of(value) for key, value in file.message_types_by_name.items()}
        found.update({key: EnumTypeWrapper(value) for key, value in file.enum_types_by_name.items()})
        return found

    def described(self) -> Described:
        return Described(self._files)

    def _add(self, name: str) -> Mapping[str, bool]:
        """Put a file into the pool, after those that it imports. Returns the types that it defines."""
        from modelbuild_runtime.grpc.proto_text import parse, resolve

        if name in self._names:
            return self._names[name]
        file = _foreign(name) if name.startswith(_FOREIGN) else parse(name, (_PROTOS / name).read_text("utf-8"))
        imported: Dict[str, bool] = {}
        for dependency in file.dependency:
            imported.update(self._add(dependency))
        self._names[name] = resolve(file, imported)
        self._files[name] = file
        self._pool.AddSerializedFile(file.SerializeToString())
        return self._names[name]


@cache
def _decode_error() -> Type[Exception]:
    from google.protobuf.message import DecodeError

    found: Type[Exception] = DecodeError
    return found


@cache
def _pool() -> _Pool:
    return _Pool()


def _class_of(descriptor: Any) -> Any:
    from google.protobuf import message_factory

    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(descriptor.file.pool).GetPrototype(descriptor)  # before 4.22


def _foreign(name: str) -> Any:
    """A file that comes with protobuf: Any, Empty, wrappers."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    module = importlib.import_module(name[: -len(".proto")].replace("/", ".") + "_pb2")
    return FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
