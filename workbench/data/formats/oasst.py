"""OpenAssistant's trees: a row for each message with ``parent_id``, or a tree with nested ``replies``.

Of several replies the best ranked is followed at every level, as in QLoRA (Dettmers et al. 2023, section 5.1); how many
were left out stands in the row's meta, where the check counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.data.conversation import Message, Role
from workbench.data.fields import BadRow, Location, Row, clean, listed, mapped, required, shorten
from workbench.data.formats.base import MARK, Format
from workbench.data.turns import SHAREGPT, role_of

LEFT_OUT = "replies_left_out"  # meta: how many messages of the tree are on no path that is read
_ROLES: dict[str, Role] = {**SHAREGPT, "prompter": "user"}


def _marks(row: dict[str, Any]) -> int:
    if {"message_id", "parent_id", "role", "text"} <= row.keys():
        return MARK
    prompt = row.get("prompt")
    return MARK if isinstance(prompt, dict) and "replies" in prompt else 0


def _gather(rows: Sequence[Row]) -> list[Row]:
    """A tree for each message without a parent; rows that hold a tree already stay as they are.

    Raises:
        BadRow: an id stands twice, or a parent is not in the file.
    """
    nodes: dict[str, dict[str, Any]] = {}
    trees: list[Row] = []
    branches: list[tuple[Row, dict[str, Any]]] = []
    for row in rows:
        if "message_id" not in row.value:
            trees.append(row)
            continue
        name = clean(row.value["message_id"], row.location, "message_id")
        if name in nodes:
            raise BadRow("data.message_twice", row.location, field="message_id", given=shorten(name))
        nodes[name] = {**row.value, "replies": []}
        if row.value.get("parent_id") in (None, ""):
            labels = {"lang": row.value["lang"]} if isinstance(row.value.get("lang"), str) else {}
            trees.append(Row({"prompt": nodes[name], **labels}, row.location))
        else:
            branches.append((row, nodes[name]))
    for row, node in branches:
        parent = clean(row.value["parent_id"], row.location, "parent_id")
        if parent not in nodes:
            raise BadRow("data.no_parent", row.location, field="parent_id", given=shorten(parent))
        nodes[parent]["replies"].append(node)
    if not trees:
        raise BadRow("data.no_root", rows[0].location, field="parent_id")
    return trees


def _parse(remaining: dict[str, Any], location: Location, _: dict[str, Any]) -> list[Message]:
    node: dict[str, Any] | None = mapped(required(remaining, "prompt", location), location, "prompt")
    total = _count(remaining.pop("prompt"))
    path: list[Message] = []
    field = "prompt"
    while node is not None:
        role = role_of(required(node, "role", location, f"{field}."), _ROLES, location, f"{field}.role")
        path.append(Message(role, clean(required(node, "text", location, f"{field}."), location, f"{field}.text")))
        field += ".replies"
        node = _best([mapped(reply, location, field) for reply in listed(node.get("replies") or [], location, field)])
    read = len(path)
    while len(path) > 1 and path[-1].role == "user":  # a question that nobody answered teaches nothing
        path.pop()
    if total > read:
        remaining[LEFT_OUT] = total - read
    return path


def _best(replies: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The reply of the best rank, which is the least; of equals the first; none that was deleted or refused."""
    sound = [reply for reply in replies if reply.get("deleted") is not True and reply.get("review_result") is not False]
    return min(sound, key=_rank, default=None)


def _rank(reply: dict[str, Any]) -> float:
    rank = reply.get("rank")
    return float(rank) if isinstance(rank, (int, float)) else float("inf")


def _count(tree: object) -> int:
    """How many messages a tree has."""
    count, level = 0, [tree]
    while level:
        count += len(level)
        replies = (node.get("replies") for node in level if isinstance(node, dict))
        level = [reply for below in replies if isinstance(below, list) for reply in below]
    return count


FORMAT = Format(
    "oasst",
    "message_id, parent_id, role, text (or prompt with replies)",
    _marks,
    _parse,
    ("message_id",),
    gather=_gather,
)
