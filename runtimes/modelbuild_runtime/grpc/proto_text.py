"""Reads the part of the proto3 language that our own files use, into descriptors: messages, enums, maps, oneofs,
imports and services. What it does not know it refuses, so that nothing is left out in silence.

Source: https://protobuf.dev/reference/protobuf/proto3-spec/
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, Mapping

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

_TOKEN = re.compile(r'\s+|//[^\n]*|("[^"]*")|([A-Za-z_.][\w.]*|-?\d+)|([{}<>()=;,])')
_TYPES: Mapping[str, Any] = {
    name[len("TYPE_") :].lower(): number
    for name, number in FieldDescriptorProto.Type.items()
    if name not in {"TYPE_GROUP", "TYPE_MESSAGE", "TYPE_ENUM"}
}


def parse(name: str, text: str) -> FileDescriptorProto:
    """The descriptor of a file. Types are named as they are written there: see ``resolve``.

    Raises:
        ValueError: the text is not of the part of the language that is read here.
    """
    return _Parser(name, text).file()


def resolve(file: FileDescriptorProto, imported: Mapping[str, bool]) -> Mapping[str, bool]:
    """Give every type in ``file`` its full name. Both mappings are of full names, to whether each is an enum; the one
    returned is of the file's own.

    Raises:
        ValueError: a type is defined nowhere.
    """
    own = defined(file)
    known = {**imported, **own}
    scope = f".{file.package}" if file.package else ""
    for message in file.message_type:
        _resolve_message(scope, message, known)
    for service in file.service:
        for method in service.method:
            method.input_type = _full_name(scope, method.input_type, known)
            method.output_type = _full_name(scope, method.output_type, known)
    return own


def defined(file: FileDescriptorProto) -> Dict[str, bool]:
    """The full names of the messages and enums of a file, to whether each is an enum."""
    return dict(_defined(f".{file.package}" if file.package else "", file.message_type, file.enum_type))


class _Parser:
    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._tokens = _split(name, text)
        self._at = 0

    def file(self) -> FileDescriptorProto:
        file = FileDescriptorProto(name=self._name, syntax="proto3")
        while self._at < len(self._tokens):
            word = self._next()
            if word == "syntax":
                self._expect("=", '"proto3"', ";")
            elif word == "package":
                file.package = self._next()
                self._expect(";")
            elif word == "import":
                file.dependency.append(self._next().strip('"'))
                self._expect(";")
            elif word == "message":
                self._message(file.message_type.add())
            elif word == "enum":
                self._enum(file.enum_type.add())
            elif word == "service":
                self._service(file.service.add())
            else:
                raise self._error(word)
        return file

    def _message(self, message: DescriptorProto) -> None:
        message.name = self._next()
        self._expect("{")
        while (word := self._next()) != "}":
            if word == "message":
                self._message(message.nested_type.add())
            elif word == "enum":
                self._enum(message.enum_type.add())
            elif word == "oneof":
                self._oneof(message)
            elif word == "map":
                self._map(message)
            elif word == "repeated":
                self._field(message, self._next(), repeated=True)
            else:
                self._field(message, word)

    def _field(self, message: DescriptorProto, kind: str, *, repeated: bool = False) -> FieldDescriptorProto:
        label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
        field = message.field.add(name=self._next(), label=label)
        _set_type(field, kind)
        self._expect("=")
        field.number = int(self._next())
        self._expect(";")
        return field

    def _oneof(self, message: DescriptorProto) -> None:
        index = len(message.oneof_decl)
        message.oneof_decl.add(name=self._next())
        self._expect("{")
        while (word := self._next()) != "}":
            self._field(message, word).oneof_index = index

    def _map(self, message: DescriptorProto) -> None:
        self._expect("<")
        key = self._next()
        self._expect(",")
        value = self._next()
        self._expect(">")
        name = self._tokens[self._at].title().replace("_", "") + "Entry"
        entry = message.nested_type.add(name=name)
        entry.options.map_entry = True
        for number, (field, kind) in enumerate((("key", key), ("value", value)), 1):
            _set_type(entry.field.add(name=field, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL), kind)
        self._field(message, f"{message.name}.{name}", repeated=True)

    def _enum(self, enum: EnumDescriptorProto) -> None:
        enum.name = self._next()
        self._expect("{")
        while (word := self._next()) != "}":
            self._expect("=")
            enum.value.add(name=word, number=int(self._next()))
            self._expect(";")

    def _service(self, service: ServiceDescriptorProto) -> None:
        service.name = self._next()
        self._expect("{")
        while (word := self._next()) != "}":
            if word != "rpc":
                raise self._error(word)
            method = service.method.add(name=self._next())
            method.input_type, method.client_streaming = self._part()
            self._expect("returns")
            method.output_type, method.server_streaming = self._part()
            self._expect(";")

    def _part(self) -> Any:
        self._expect("(")
        word = self._next()
        streams = word == "stream"
        kind = self._next() if streams else word
        self._expect(")")
        return kind, streams

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise ValueError(f"{self._name} ends early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, *words: str) -> None:
        for word in words:
            found = self._next()
            if found != word:
                raise self._error(found)

    def _error(self, word: str) -> ValueError:
        return ValueError(f"{self._name}: {word!r} is not understood after {self._tokens[: self._at - 1][-5:]}")


def _split(name: str, text: str) -> List[str]:
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{name}: {text[at : at + 20]!r} is not understood")
        if match.lastindex:
            tokens.append(match.group(match.lastindex))
        at = match.end()
    return tokens


def _set_type(field: FieldDescriptorProto, kind: str) -> None:
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type_name = kind


def _defined(scope: str, messages: Any, enums: Any) -> Iterator[Any]:
    for enum in enums:
        yield f"{scope}.{enum.name}", True
    for message in messages:
        yield f"{scope}.{message.name}", False
        yield from _defined(f"{scope}.{message.name}", message.nested_type, message.enum_type)


def _resolve_message(scope: str, message: DescriptorProto, known: Mapping[str, bool]) -> None:
    inner = f"{scope}.{message.name}"
    for nested in message.nested_type:
        _resolve_message(inner, nested, known)
    for field in message.field:
        if field.type_name:
            field.type_name = _full_name(inner, field.type_name, known)
            enum = known[field.type_name]
            field.type = FieldDescriptorProto.TYPE_ENUM if enum else FieldDescriptorProto.TYPE_MESSAGE


def _full_name(scope: str, name: str, known: Mapping[str, bool]) -> str:
    """The innermost definition of the name that is seen from ``scope``."""
    if name.startswith("."):
        return name
    while True:
        if f"{scope}.{name}" in known:
            return f"{scope}.{name}"
        if not scope:
            raise ValueError(f"the type {name} is not defined")
        scope = scope.rpartition(".")[0]
