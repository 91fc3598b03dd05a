"""Who may come in: where a page is served, and with which password. Knows addresses and variables; no web library."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass

from workbench.chat.endpoint import is_loopback
from workbench.errors import BadInput

HOST, PORT = "WORKBENCH_HOST", "WORKBENCH_PORT"
PASSWORD, PUBLIC = "WORKBENCH_PASSWORD", "WORKBENCH_PUBLIC"  # names, not secrets
SHORTEST = 8


@dataclass(frozen=True, slots=True)
class Door:
    """Where a page is served.

    Args:
        host: the address; 127.0.0.1 is seen from this machine only.
        port: 0 takes a free one.
        password: empty where none is asked for.
    """

    host: str
    port: int
    password: str = ""

    @property
    def private(self) -> bool:
        """Whether only this machine can reach it, and no password is asked for."""
        return not self.password and is_loopback(self.host)

    def opens(self, _: str, given: str) -> bool:
        """Whether ``given`` is the password; the name of who comes in is not looked at."""
        return hmac.compare_digest(given.encode(), self.password.encode())


def door(host: str | None = None, port: int | None = None, environ: Mapping[str, str] | None = None) -> Door:
    """The door for ``host`` and ``port``, else for what the environment says, else 127.0.0.1.

    On this machine's own address no password is needed, and one that is set is asked for. Elsewhere it must be set, or
    ``WORKBENCH_PUBLIC=1`` must say that the page is for everybody, as on a host of demonstrations.

    Raises:
        BadInput: it would be open to others without a password; or the password is shorter than 8 characters.
    """
    known = os.environ if environ is None else environ
    where = host or known.get(HOST) or "127.0.0.1"
    password = known.get(PASSWORD, "")
    if password and len(password) < SHORTEST:
        raise BadInput("web.door.short_password", variable=PASSWORD, shortest=SHORTEST)
    if not password and not is_loopback(where) and known.get(PUBLIC) != "1":
        raise BadInput("web.door.no_password", host=where, variable=PASSWORD, public=PUBLIC)
    return Door(where, _port(port, known), password)


def _port(port: int | None, environ: Mapping[str, str]) -> int:
    given = environ.get(PORT, "") if port is None else str(port)
    if given and not (given.isdigit() and int(given) < 65536):
        raise BadInput("web.door.bad_port", given=given)
    return int(given or 0)
