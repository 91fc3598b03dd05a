"""Step one, the conversations: who the assistant is to be, and what it learns from. Knows data and the split that
training makes; nothing of templates or models."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.conversation import Conversation, Persona
from workbench.errors import BadInput, BadSetting, nearest
from workbench.steps.code import call, lines
from workbench.steps.step import Step
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.data import Finding
    from workbench.data.mixing import MixtureCounts
    from workbench.training import Recipe

MANNERS = ("plain", "warm", "brief")
LANGUAGES = ("zh", "en")
OFTEN = 4  # a few rows among hundreds would hardly be learnt


@dataclass(frozen=True, slots=True)
class DataSettings:
    """Hold what the set is made from.

    Args:
        name, author, purpose, manner, languages: the persona.
        count: identity conversations; None takes the default.
        ratio: general conversations for each identity conversation.
        general: ``auto`` (what pocket knows, for pocket; another base's own answers), ``shipped``, ``own``, a file, or
            None for no general conversations.
        file: conversations of one's own in place of generated ones.
        seed: which of the possible sets.
        mended: codes of findings that are mended: placeholders are filled in, of all else the rows are left out.
        added: a file of conversations beside these, such as better answers from a chat; each is trained
            :data:`OFTEN` times.
    """

    name: str = ""
    author: str = ""
    purpose: str = ""
    manner: str = "plain"
    languages: tuple[str, ...] = LANGUAGES
    count: int | None = None
    ratio: float = 3.5
    general: str | None = "auto"
    file: str | None = None
    seed: int = 0
    mended: tuple[str, ...] = ()
    added: str | None = None

    @property
    def rewritten(self) -> bool:
        """Tell whether what is trained is neither the file nor the generated set, and so needs a file of its own."""
        return bool(self.mended or self.added)


@dataclass(frozen=True, slots=True)
class Made:
    """Hold the conversations of a set.

    Args:
        own: the identity conversations, or those of the file, after mending.
        train: what is trained, mixed, in the order in which it is written.
        held_out: what is kept back, to measure with.
    """

    own: tuple[Conversation, ...]
    train: tuple[Conversation, ...]
    held_out: tuple[Conversation, ...]

    def groups(self) -> dict[str, list[Conversation]]:
        """Return what is trained, by ``identity`` (or ``own``, of a file) and ``general`` and by language: ``identity
        zh``."""
        own_ids = {id(conversation) for conversation in self.own}
        groups: dict[str, list[Conversation]] = {}
        for conversation in self.train:
            group = "identity" if conversation.kind.startswith("identity") else "own"
            kind = group if id(conversation) in own_ids else "general"
            groups.setdefault(f"{kind} {conversation.lang}".strip(), []).append(conversation)
        return dict(sorted(groups.items(), key=lambda item: (item[0].startswith("general"), item[0])))


class DataStep(Step[DataSettings]):
    """Take a persona in, give conversations out.

    Args:
        persona: who the assistant is to be; its fields become settings.
        lang: the language of sentences and of the name that stands there at first.
        **settings: fields of :class:`DataSettings`.
    """

    def __init__(self, persona: Persona | None = None, *, lang: str | None = None, **settings: Any) -> None:
        fields = asdict(persona) if persona else {"name": text("quickstart.name", lang)}
        super().__init__(DataSettings(**{**fields, **settings}))
        self.lang = lang
        self._made: Made | None = None

    @property
    def persona(self) -> Persona:
        """Tell who the assistant is to be."""
        s = self.settings
        return Persona(s.name, s.author, s.purpose, s.manner, s.languages)

    def recipe_groups(self, own_file: Path | None = None) -> dict[str, dict[str, Any]]:
        """Return the settings of a recipe that learns from this set: its groups persona, data and runtime.

        Args:
            own_file: the file that holds the own conversations; needed only where findings were mended or rows added.
        """
        return _recipe_groups(self.settings, own_file)

    def follow(self, before: Recipe, after: Recipe) -> None:
        """Take over what another recipe says of the conversations, where it is still as the one before said; undo and
        reset keep it."""
        old, new = recipe_settings(before), recipe_settings(after)

        def taken(settings: DataSettings) -> DataSettings:
            unchanged = {k: v for k, v in new.items() if getattr(settings, k) == old.get(k)}
            return replace(settings, **unchanged)

        self._adopt(taken)

    def recipe(self) -> Recipe:
        """Return a recipe with these settings and every other one's default."""
        from workbench.training import check_recipe

        return check_recipe(self.recipe_groups())

    def counts(self) -> MixtureCounts:
        """Return what the ratio makes of the counts, without making the set: quick enough for a slider.

        Raises:
            BadInput: there is nothing to take from.
        """
        from workbench.data.identity import DEFAULT
        from workbench.data.mixing import mixture_counts

        s = self.settings
        count = len(self._own()) if s.file else s.count or DEFAULT
        return mixture_counts(count, _general(s.general), ratio=s.ratio if s.general else 0.0)

    def make(self) -> Made:
        """Return the set, made once for the same settings. It is the very set that training makes of :meth:`recipe`.

        Raises:
            BadInput: the persona cannot be used, or the file cannot be read.
        """
        from workbench.training.data import conversations

        with self._guard:
            if self._made is None:
                own_conversations = self._own()
                split = conversations(self.recipe(), own_conversations=own_conversations)
                self._made = Made(tuple(own_conversations), split.train, split.held_out)
            latest = self._made
        self.tell("made")
        return latest

    @property
    def made(self) -> Made | None:
        """Return the set, where it was made from these settings."""
        return self._made

    def findings(self, lang: str | None = None) -> list[Finding]:
        """Return what in the set would teach what is not meant, with the remedy of each."""
        from workbench.data import check

        current = self.make()
        own_ids = {id(conversation) for conversation in current.own}
        trained = [conversation for conversation in current.train if id(conversation) in own_ids]
        # a generated wording with and without a greeting is meant, and stands in one group
        only = _CODES if self.settings.file else [code for code in _CODES if code != "near_duplicates"]
        return check(trained, persona=self.persona, validation=current.held_out, only=only, lang=lang or self.lang)

    def mend(self, code: str) -> None:
        """Mend the findings of ``code``; :meth:`undo` takes it back."""
        self.change(mended=(*self.settings.mended, code))

    def save(self, folder: str | Path, *, overwrite: bool = False) -> dict[str, Path]:
        """Write ``train.jsonl``, ``validation.jsonl`` and ``own.jsonl`` into ``folder``; returns their paths.

        Raises:
            OutputExists: one is there, and not to be replaced.
            BadInput: the set is read from one of them.
        """
        from workbench.data import write

        target = Path(folder).expanduser()
        files = {name: target / f"{name}.jsonl" for name in ("train", "validation", "own")}
        for file in files.values():
            if self.reads(file):
                raise BadInput("steps.over_source", path=file)
        current = self.make()
        target.mkdir(parents=True, exist_ok=True)
        for name, rows in {"train": current.train, "validation": current.held_out, "own": current.own}.items():
            write(rows, files[name], overwrite=overwrite)
        self.tell("saved")
        return files

    def reads(self, file: Path) -> bool:
        """Tell whether the set is read from ``file``, which must then not be written."""
        names = (self.settings.file, self.settings.general, self.settings.added)
        sources = [Path(name).expanduser() for name in names if name and name not in NAMED]
        return any(source.resolve() == file.resolve() or _same(source, file) for source in sources)

    def code(self) -> str:
        """Return the lines that make the same set."""
        s = self.settings
        fields = {"name": s.name, "author": s.author, "purpose": s.purpose, "manner": s.manner}
        persona = {k: v for k, v in fields.items() if v and (k, v) != ("manner", "plain")}
        if s.languages != LANGUAGES:
            persona["languages"] = s.languages  # type: ignore[assignment]
        general = "" if s.general in (None, *NAMED) else f"wb.read({s.general!r})"
        own_line = (
            f"own = wb.read({s.file!r})" if s.file else f"own = wb.identity_set(persona, {s.count!r}, seed={s.seed})"
        )
        mixed = f"wb.mix({', '.join(filter(None, ('train', general, f'ratio={s.ratio:g}', f'seed={s.seed}')))})"
        return lines(
            "import workbench as wb",
            "from workbench.data import check, split, write",
            "",
            f"persona = {call('wb.Persona', **persona)}",
            own_line,
            *self._mending_code(),
            f"own += wb.read({s.added!r}) * {OFTEN}" if s.added else "",
            f"train, held_out = split(own, validation=0.15, seed={s.seed})",
            f"train = {mixed}" if s.general and s.ratio else "",
            "for finding in check(train, persona=persona, validation=held_out):",
            "    print(finding.message, finding.remedy)",
            'write(train, "train.jsonl")',
        )

    def _mending_code(self) -> list[str]:
        codes = self.settings.mended
        code_lines = ["from workbench.data.mending import drop, fill"] if codes else []
        if "placeholder_left" in codes:
            code_lines.append("own = fill(own, {'name': persona.name, 'author': persona.author})")
        dropped = tuple(code for code in codes if code != "placeholder_left")
        if dropped:
            code_lines.append(f"own = drop(own, check(own, persona=persona), {dropped!r})")
        return code_lines

    def _own(self) -> list[Conversation]:
        from workbench.data import check, identity_set, read
        from workbench.data.mending import drop, fill

        s = self.settings
        conversations = read(s.file) if s.file else identity_set(self.persona, s.count, seed=s.seed)
        for code in s.mended:
            if code == "placeholder_left":
                conversations = fill(conversations, {key: getattr(s, field) for key, field in _FILLED.items()})
            else:
                conversations = drop(
                    conversations, check(conversations, persona=self.persona, only=(code,), lang=self.lang), (code,)
                )
        return [*conversations, *(read(s.added) * OFTEN if s.added else [])]

    def _checked(self, settings: DataSettings) -> DataSettings:
        settings = replace(settings, languages=tuple(settings.languages), mended=tuple(dict.fromkeys(settings.mended)))
        if settings.manner not in MANNERS:
            raise BadSetting(
                "identity.unknown_manner", given=settings.manner, nearest=nearest(settings.manner, MANNERS)
            )
        for lang in settings.languages:
            if lang not in LANGUAGES:
                raise BadSetting("identity.unknown_language", given=lang, nearest=nearest(lang, LANGUAGES))
        from workbench.training import check_recipe

        check_recipe(_recipe_groups(settings))
        return settings

    def _after_change(self) -> None:
        self._made = None

    _forget = _after_change


NAMED = ("auto", "shipped", "own")  # general conversations that are no file
_FILLED = {"name": "name", "author": "author", "assistant_name": "name", "bot_name": "name"}
_CODES = (
    "placeholder_left", "empty_turn", "missing_answer", "role_order", "garbled_text", "preference_rows", "rated_rows",
    "held_out_rows", "replies_left_out", "unread_columns", "pictures_unseen", "picture_missing",
    "picture_outside", "picture_too_large", "picture_unreadable", "picture_places", "picture_narrow", "picture_changed",
    "one_picture", "contradictory_answers",
    "similar_questions", "near_duplicates", "filled_cells", "turns_in_text", "marked_speakers", "short_answers",
    "control_tokens_in_text", "persona_name_differs",
    "another_identity", "leakage_between_train_and_validation",
)  # fmt: skip
# findings that no row is left out for: the person decides
_TOLD = (
    "preference_rows", "replies_left_out", "unread_columns", "picture_places", "picture_narrow", "picture_changed",
    "one_picture",
)  # fmt: skip
# rows are left out of a set before it is parted, so what parting makes of it is not mended there
MENDABLE = tuple(code for code in _CODES if code not in ("leakage_between_train_and_validation", *_TOLD))


def recipe_settings(recipe: Recipe) -> dict[str, Any]:
    """Return what a recipe says of the conversations, as fields of :class:`DataSettings`; a name that it has not is
    left to the step."""
    persona, data = recipe.persona, recipe.data
    return {
        **({"name": persona.name} if persona.name else {}),
        "author": persona.author, "purpose": persona.purpose, "manner": persona.manner,
        "languages": tuple(persona.languages),
        "count": data.identity_count, "ratio": data.ratio, "general": data.general, "file": data.train,
        "seed": recipe.runtime.seed,
    }  # fmt: skip


def _recipe_groups(s: DataSettings, own_file: Path | None = None) -> dict[str, dict[str, Any]]:
    persona = {k: getattr(s, k) for k in ("name", "author", "purpose", "manner")}
    data: dict[str, Any] = {"general": s.general, "ratio": s.ratio, "identity_count": s.count}
    data["train"] = str(own_file) if own_file and s.rewritten else s.file
    return {"persona": {**persona, "languages": list(s.languages)}, "data": data, "runtime": {"seed": s.seed}}


def _same(first: Path, second: Path) -> bool:
    """Whether two names are one file, as where large and small letters count alike."""
    return first.exists() and second.exists() and first.samefile(second)


def _general(general: str | None) -> int:
    """How many general conversations there are to take from."""
    from workbench.data import read

    return 0 if general is None else _shipped() if general in NAMED else len(read(general))


@cache
def _shipped() -> int:
    from workbench.data.mixing import shipped_general

    return len(shipped_general())
