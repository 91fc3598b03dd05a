"""The README.md of what we write: what it is, how it was made, how to load it. Knows notes; nothing of weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from workbench.models.notes import part
from workbench.texts import text


def adapter_card(note: Mapping[str, Any]) -> str:
    """Return the card of an adapter."""
    return _front(note, adapter=True) + _body(note, "adapter")


def merged_card(note: Mapping[str, Any]) -> str:
    """Return the card of a merged model, or of one whose weights were all trained."""
    full = part(note, "merge").get("method") == "full"
    return _front(note, adapter=False) + _body(note, "full" if full else "merged")


def _front(note: Mapping[str, Any], *, adapter: bool) -> str:
    """The lines that model hubs read. JSON is YAML, so no name can break out of its line."""
    base = str(part(note, "base").get("name", ""))
    task = "image-text-to-text" if part(note, "base").get("sees") else "text-generation"
    lines = ["---", f"base_model: {json.dumps(base, ensure_ascii=False)}", f"pipeline_tag: {task}"]
    lines += ["library_name: peft" if adapter else "library_name: transformers"]
    lines += [f"base_model_relation: {'adapter' if adapter else 'finetune'}"]
    languages = part(note, "persona").get("languages") or []
    lines += [f"language: {json.dumps(list(languages))}"] if languages else []
    full = part(note, "merge").get("method") == "full"
    return "\n".join([*lines, f"tags: [assistant-workbench{'' if full else ', lora'}]", "---", ""])


def _body(note: Mapping[str, Any], kind: str) -> str:
    persona, run, base = part(note, "persona"), part(note, "run"), part(note, "base")
    name = plain(persona.get("name")) or text("export.card.unnamed")
    lines = [f"# {name}", "", text(f"export.card.{kind}", name=name, base=plain(base.get("name")))]
    if persona.get("author"):
        lines.append(text("export.card.author", author=plain(persona["author"])))
    lines += ["", f"## {text('export.card.made')}", ""]
    lines += [f"- {line}" for line in (*_made(note), *_scored(run))]
    lines += ["", f"## {text('export.card.use')}", "", text("export.card.use_here"), "", "```bash"]
    use = "adapter" if kind == "adapter" else "merged"
    lines += [text(f"export.card.command_{use}", base=plain(base.get("name"))), "```", ""]
    lines += [text(f"export.card.elsewhere_{use}"), ""]
    lines += [text("export.card.sees"), ""] if base.get("sees") else []
    lines += [
        f"## {text('export.card.limits')}",
        "",
        text("export.card.careful"),
        "",
    ]
    return "\n".join(lines)


def _made(note: Mapping[str, Any]) -> list[str]:
    base, template, recipe, merged = (part(note, key) for key in ("base", "template", "recipe", "merge"))
    lines = [text("export.card.base", name=plain(base.get("name")), fingerprint=base.get("fingerprint", "?"))]
    if template.get("fingerprint"):
        name = template.get("name") or text("export.card.own_template")
        lines.append(text("export.card.template", name=name, fingerprint=str(template["fingerprint"])[:16]))
    if recipe:
        settings = ", ".join(f"{key} {value}" for key, value in recipe.items() if not isinstance(value, (dict, list)))
        lines.append(text("export.card.recipe", settings=plain(settings)))
    if merged:
        full = merged.get("method") == "full"
        dtype = merged.get("dtype", "?")
        lines.append(text("export.card.full_in" if full else "export.card.merged_in", dtype=dtype))
        lines += [text("export.card.from_nf4")] if merged.get("base_quantization") == "nf4" else []
        lines += [text("export.card.untied")] if merged.get("untied") else []
    packages = part(note, "packages")
    settings = ", ".join(
        f"{key} {packages[key]}" for key in ("torch", "transformers", "peft", "bitsandbytes") if key in packages
    )
    return [*lines, text("export.card.versions", versions=f"workbench {note.get('workbench', '?')}, {settings}")]


def _scored(run: Mapping[str, Any]) -> list[str]:
    if "step" not in run:
        return []
    lines = [text("export.card.step", step=run["step"], run=plain(run.get("name")))]
    if run.get("reason"):
        lines.append(text("export.card.reason", reason=plain(run["reason"])))
    return lines


def plain(value: Any) -> str:
    """Return a name on one line, with the characters that mean something in Markdown or HTML made harmless."""
    line = " ".join(str(value or "").split())
    for sign in "\\`*_[]#|":
        line = line.replace(sign, "\\" + sign)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
