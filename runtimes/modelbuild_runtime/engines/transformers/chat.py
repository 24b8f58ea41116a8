"""Messages of a dialogue, made into the text that the model goes on with, by the tokenizer's chat template."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

import msgspec

from modelbuild_runtime.errors import InvalidInput

TEXT, MESSAGES = "text", "messages"
MESSAGE = {
    "type": "object",
    "properties": {"role": {"type": "string"}, "content": {"type": "string"}},
    "required": ["role", "content"],
    "additionalProperties": False,
}
RECORD: Dict[str, Any] = {
    "type": "object",
    "properties": {TEXT: {"type": "string"}, MESSAGES: {"type": "array", "items": MESSAGE, "minItems": 1}},
    "oneOf": [{"required": [TEXT]}, {"required": [MESSAGES]}],
    "additionalProperties": False,
    "examples": [{TEXT: "1"}],
}
"""A row: a text as it is, or messages."""


def records(rows: Sequence[Any]) -> List[Dict[str, Any]]:
    """Rows as clients send them, checked: objects, or bare texts. Where a protocol carries nothing but text, messages
    may be JSON as text.

    Raises:
        InvalidInput: a row is neither, or holds both or something else.
    """
    return [_record(row) for row in rows]


def _record(row: Any) -> Dict[str, Any]:
    if isinstance(row, list) and len(row) == 1:
        (row,) = row
    if not isinstance(row, dict):
        return {TEXT: row}
    unknown = row.keys() - {TEXT, MESSAGES}
    if unknown:
        name = min(map(str, unknown))
        raise InvalidInput(f"field {name!r} is unknown; a row has {TEXT!r} or {MESSAGES!r}", field=name)
    if len(row) != 1:
        raise InvalidInput(f"a row has either {TEXT!r} or {MESSAGES!r}", field=TEXT)
    return {MESSAGES: messages(row[MESSAGES])} if MESSAGES in row else dict(row)


def messages(value: Any) -> List[Dict[str, str]]:
    """The messages of one dialogue, each with a role and a content.

    Raises:
        InvalidInput: they are none.
    """
    if isinstance(value, (str, bytes)):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError) as error:
            raise InvalidInput("it is text, and no JSON", field=MESSAGES) from error
    if not isinstance(value, list) or not value:
        raise InvalidInput("it must be a list of messages, and not empty", field=MESSAGES)
    for at, message in enumerate(value):
        if not isinstance(message, Mapping) or message.keys() != {"role", "content"}:
            raise InvalidInput(f"message {at} must have a role and a content, and nothing else", field=MESSAGES)
        if not all(isinstance(part, str) for part in message.values()):
            raise InvalidInput(f"the role and the content of message {at} must be text", field=MESSAGES)
    return value


def prompt(tokenizer: Any, value: Any) -> str:
    """What the template makes of messages: with the beginning of an answer, or the last message left open where that
    is the assistant's own. It has its special tokens already.

    Raises:
        InvalidInput: the template refuses them: some want roles to alternate, or know no system.
    """
    import jinja2

    dialogue = messages(value)
    continues = dialogue[-1]["role"] == "assistant"
    try:
        text: str = tokenizer.apply_chat_template(
            dialogue, tokenize=False, add_generation_prompt=not continues, continue_final_message=continues
        )
    except (jinja2.TemplateError, ValueError) as error:
        raise InvalidInput(f"the model's template refuses them: {str(error)[:200]}", field=MESSAGES) from error
    return text
