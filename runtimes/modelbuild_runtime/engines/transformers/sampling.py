"""How text is written: the parameters of a request, checked, and the loop over tokens."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, Mapping, NamedTuple, Tuple

from modelbuild_runtime.errors import InvalidInput

DEFAULT = 64
"""Tokens that are written where neither the request nor the folder says how many."""
MOST = 4096

Check = Tuple[Tuple[type, ...], Callable[[Any], bool], str]
_NUMBER = (int, float)
KNOWN: Mapping[str, Check] = {
    "max_new_tokens": ((int,), lambda value: 0 < value <= MOST, f"a whole number from 1 to {MOST}"),
    "temperature": (_NUMBER, lambda value: 0 <= value <= 100, "a number from 0 (no chance) to 100"),
    "top_k": ((int,), lambda value: value > 0, "a whole number above 0"),
    "top_p": (_NUMBER, lambda value: 0 < value <= 1, "a number above 0, to 1"),
    "repetition_penalty": (_NUMBER, lambda value: 0 < value <= 100, "a number above 0, to 100"),
    "do_sample": ((bool,), lambda _: True, "true or false"),
    "seed": ((int,), lambda value: 0 <= value < 1 << 63, "a whole number of 63 bits"),
}
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
    known = KNOWN.get(ALIASES.get(name, name))
    if known is None:
        raise InvalidInput(f"the parameter {name!r} is unknown; known are {', '.join(KNOWN)}", field=name)
    kinds, fits, words = known
    is_flag = isinstance(value, bool) and bool not in kinds
    if is_flag or not isinstance(value, kinds) or not fits(value):
        raise InvalidInput(f"the parameter {name!r} must be {words}", field=name)
    return value
