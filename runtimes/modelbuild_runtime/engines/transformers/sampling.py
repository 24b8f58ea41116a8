"""How text is written: the parameters of a request, checked, and the loop over tokens."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Mapping, NamedTuple

from modelbuild_runtime.errors import InvalidInput

DEFAULT = 64
"""Tokens that are written where neither the request nor the folder says how many."""
MOST = 4096

_WHOLE, _NUMBER = {"type": "integer"}, {"type": "number"}
PARAMETERS: Dict[str, Dict[str, Any]] = {
    "max_new_tokens": {**_WHOLE, "minimum": 1, "maximum": MOST},
    "temperature": {**_NUMBER, "minimum": 0, "maximum": 100, "description": "0 leaves nothing to chance."},
    "top_k": {**_WHOLE, "minimum": 1},
    "top_p": {**_NUMBER, "exclusiveMinimum": 0, "maximum": 1},
    "repetition_penalty": {**_NUMBER, "exclusiveMinimum": 0, "maximum": 100},
    "do_sample": {"type": "boolean"},
    "seed": {**_WHOLE, "minimum": 0, "maximum": (1 << 63) - 1},
}
"""What a request may set, as JSON Schema: told to clients, and checked."""
ALIASES = {"max_tokens": "max_new_tokens"}
IGNORED = frozenset({"stream"})
"""The route says it already."""


class Sampling(NamedTuple):
    """``settings`` go to ``generate``; ``asked`` where the request says how many tokens it wants."""

    max_new_tokens: int
    asked: bool
    seed: int
    settings: Mapping[str, Any]

    def generate(self, model: Any, batch: Mapping[str, Any]) -> Any:
        """All at once: INT64 [rows, tokens]."""
        import torch

        with torch.inference_mode(), torch.random.fork_rng(devices=[], enabled=self.seed >= 0):
            if self.seed >= 0:
                torch.manual_seed(self.seed)
            return model.generate(**batch, max_new_tokens=self.max_new_tokens, **self.settings)

    def tokens(self, model: Any, batch: Mapping[str, Any]) -> Iterator[int]:
        """One after the other, for one row; between them the model may do other things."""
        import torch

        ids, mask = batch["input_ids"], batch["attention_mask"]
        cache: Mapping[str, Any] = {}
        state = torch.Generator().manual_seed(self.seed).get_state() if self.seed >= 0 else None
        for _ in range(self.max_new_tokens):
            with torch.inference_mode(), torch.random.fork_rng(devices=[], enabled=state is not None):
                if state is not None:
                    torch.set_rng_state(state)
                found = model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    max_new_tokens=1,
                    return_dict_in_generate=True,
                    **cache,
                    **self.settings,
                )
                state = torch.get_rng_state() if state is not None else None
                ids = found.sequences
                # Its name changed during 5.x; where a model keeps none, all is computed again.
                name = "cache" if "cache" in found else "past_key_values"
                cache = {name: found[name]} if name in found else {}
                mask = torch.nn.functional.pad(mask, (0, 1), value=1)
            yield int(ids[0, -1])


def sampling_of(parameters: Mapping[str, Any], told: Any) -> Sampling:
    """The parameters of a request, over what the folder's generation_config.json (``told``) says.

    Raises:
        InvalidInput: one is unknown, or of a wrong kind or size.
    """
    given: Dict[str, Any] = {}
    for name, value in parameters.items():
        if name not in IGNORED:
            given[ALIASES.get(name, name)] = _checked(name, value)
    if given.get("temperature") == 0:
        given = {name: value for name, value in given.items() if name not in {"temperature", "top_k", "top_p"}}
        given["do_sample"] = False
    elif given.keys() & {"temperature", "top_k", "top_p", "seed"}:
        given.setdefault("do_sample", True)
    asked = "max_new_tokens" in given
    most = given.pop("max_new_tokens", None) or told.max_new_tokens or DEFAULT
    return Sampling(most, asked, given.pop("seed", -1), given)


def _checked(name: str, value: Any) -> Any:
    schema = PARAMETERS.get(ALIASES.get(name, name))
    if schema is None:
        raise InvalidInput(f"the parameter {name!r} is unknown; known are {', '.join(PARAMETERS)}", field=name)
    if schema["type"] == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON does not tell 1.0 from 1
    if not _fits(value, schema):
        raise InvalidInput(f"the parameter {name!r} must be {_words(schema)}", field=name)
    return value


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    if schema["type"] == "boolean" or isinstance(value, bool):
        return schema["type"] == "boolean" and isinstance(value, bool)
    if not isinstance(value, int if schema["type"] == "integer" else (int, float)):
        return False
    low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    return (low is None or value >= low) and (above is None or value > above) and (high is None or value <= high)


def _words(schema: Mapping[str, Any]) -> str:
    if schema["type"] == "boolean":
        return "true or false"
    what = "a whole number" if schema["type"] == "integer" else "a number"
    low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if high is None:
        return f"{what} of at least {low}"
    return f"{what} above {above}, to {high}" if low is None else f"{what} from {low} to {high}"
