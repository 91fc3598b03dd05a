"""Loading a model as it was trained, with its own template or not without a word. Knows notes and templates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, Failed
from workbench.models import adapters
from workbench.models.folders import ADAPTER
from workbench.models.notes import other_base, part, read_note, settings, trained_as
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.models import Loaded
    from workbench.models.loading import Quantization


def open_model(
    model: str, adapter: str | Path | None, quantization: Quantization, template: str | None, device: str | None
) -> dict[str, Any]:
    """Return the parts of an :class:`workbench.chat.Assistant`: see there."""
    from workbench.models import load
    from workbench.templates.registry import get, stop_ids

    if template is not None:
        _known(template)
    model, adapter = _base_and_adapter(model, adapter)
    loaded = load(model, quantization=quantization, device=device, adapter=adapter)
    if adapter:
        _check_alive(loaded, adapter)
    note = read_note(adapter or model)
    trained = trained_as(adapter or model)
    options = settings(trained)
    chosen = template if template is not None else trained.get("name")
    notices = []
    if adapter and other_base(note, model):
        notices.append(text("chat.other_base", base=part(note, "base").get("name"), model=model))
    loaded.tokenizer, differs = _tokenizer(loaded, adapter, chosen, str(trained.get("fingerprint") or ""), options)
    if differs and template is None:
        raise BadInput("chat.template_changed", folder=adapter or model)
    if differs:
        current = trained.get("name") or text("chat.own_template")
        notices.append(text("chat.template_other", given=template, trained=current))
    config = getattr(loaded.model, "generation_config", None)
    stops = stop_ids(loaded.tokenizer, template=get(chosen, loaded.tokenizer), generation_config=config)
    return {
        "loaded": loaded,
        "template": chosen,
        "system": options["system"],
        "stop_ids": tuple(dict.fromkeys([*stops, *_noted_stops(note, differs)])),
        "note": note,
        "notices": tuple(notices),
        "adapted": adapter is not None,
    }


def _known(template: str) -> None:
    from workbench.templates.named import spec

    spec(template)


def _base_and_adapter(model: str, adapter: str | Path | None) -> tuple[str, str | Path | None]:
    """An adapter's folder in the place of a model means the adapter on the base that it names."""
    folder = Path(model).expanduser()
    if adapter is not None or not (folder / ADAPTER).is_file() or (folder / "config.json").is_file():
        return model, adapter
    adapters.check(folder)
    base = adapters.base_named(folder)
    if not base:
        raise BadInput("chat.no_base", folder=model)
    return _here(base, folder), folder


def _here(base: str, folder: Path) -> str:
    """The base that an adapter names, where it is on this machine already.

    Raises:
        BadInput: it is not; what somebody else's file names is not fetched.
    """
    from workbench.models.loading import HUB_ID, on_disk, resolve

    if base == "pocket" or Path(base).expanduser().is_dir():
        return base
    if not HUB_ID.fullmatch(base):
        resolve(base)
    try:
        return str(on_disk(base, fetch=False))
    except Failed:
        raise BadInput("chat.base_on_hub", folder=folder, base=base) from None


def _check_alive(loaded: Loaded, adapter: str | Path) -> None:
    """Weights under wrong names load without a word and leave B = 0: the base would answer in the assistant's name."""
    moved = ("lora_B", "lora_embedding_A", "lora_E", "modules_to_save")
    parameters = [p for name, p in loaded.model.named_parameters() if any(part in name.split(".") for part in moved)]
    if parameters and not any(bool(p.any()) for p in parameters):
        raise BadInput("chat.inert", folder=adapter)


def _tokenizer(
    loaded: Loaded, adapter: str | Path | None, template: str | None, expected: str, options: Mapping[str, Any]
) -> tuple[Any, bool]:
    """The tokenizer that renders what was trained, and whether none does: the base's, else the adapter's own."""
    from workbench.models import load_tokenizer
    from workbench.templates import bound, dressed

    def renders(tokenizer: Any) -> bool:
        try:
            chosen = bound(tokenizer, template, system=options["system"])
            return not expected or chosen.fingerprint(tokenizer) == expected
        except BadInput:
            return False

    try:
        tokenizer = dressed(loaded.tokenizer, template, **options)
    except BadInput:  # the adapter may bring a tokenizer whose template takes them
        tokenizer = loaded.tokenizer
    if renders(tokenizer):
        return tokenizer, False
    folder = Path(adapter or "")
    if adapter and any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        loaded_tokenizer = load_tokenizer(str(folder))
        if places := getattr(loaded.tokenizer, "picture_places", None):  # the eyes are the base's
            loaded_tokenizer.picture_places = places
        if renders(loaded_tokenizer):
            return loaded_tokenizer, False
    return loaded.tokenizer, True


def _noted_stops(note: Mapping[str, Any], differs: bool) -> list[int]:
    stops = note.get("stop_ids")
    return [] if differs or not isinstance(stops, list) else [stop for stop in stops if isinstance(stop, int)]
