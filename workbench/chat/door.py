"""Who may come in: where a page is served, and with which password. Knows addresses and variables; no web library."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from workbench.chat.endpoint import is_loopback
from workbench.errors import BadInput

HOST, PORT = "WORKBENCH_HOST", "WORKBENCH_PORT"
PASSWORD, PUBLIC = "WORKBENCH_PASSWORD", "WORKBENCH_PUBLIC"  # names, not secrets
NAMES = "WORKBENCH_NAMES"
GENERATE = "generate"
SHORTEST = 12
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Door:
    """Hold where a page is served.

    Args:
        host: the address; 127.0.0.1 is seen from this machine only.
        port: 0 takes a free one.
        password: empty where none is asked for.
        names: under which the page may be asked for, beside this machine's own; empty for every name.
        generated: whether the password was made here, and must be told to whoever starts the page.
    """

    host: str
    port: int
    password: str = ""
    names: tuple[str, ...] = ()
    generated: bool = False

    @property
    def private(self) -> bool:
        """Tell whether only this machine can reach it, and no password is asked for."""
        return not self.password and is_loopback(self.host)

    def opens(self, _: str, password: str) -> bool:
        """Tell whether ``password`` is the password; no name is asked for, and one that is given is not looked at."""
        return hmac.compare_digest(password.encode(errors="replace"), self.password.encode(errors="replace"))

    def answers_to(self, name: str) -> bool:
        """Tell whether the page may be asked for under ``name``, a ``Host`` header.

        A page of another site, opened in a browser here, can point a name of its own at this machine (DNS rebinding):
        without a password only this machine's own names are answered. With one, its cookie goes to no other name.
        """
        host, _ = authority(f"//{name}")
        if not host:
            return False
        if is_loopback(host):
            return True
        if self.private:
            return False
        return not self.names or host == self.host.strip("[]").lower() or _named(host, None, self.names)

    def is_own(self, origin: str, *hosts: str, same: bool = False) -> bool:
        """Tell whether a request with this ``Origin`` comes from the page itself.

        Args:
            origin: scheme, name and port, as browsers send them.
            hosts: under which names the page was asked for, as the caller or a proxy before it says. No page can make
                a browser send another host's, nor a proxy's header without being asked first.
            same: whether the browser itself says that both are of the same origin.
        """
        scheme = origin.partition("://")[0].lower()
        host, port = authority(origin)
        if not host or scheme not in _DEFAULT_PORTS:
            return False
        if self.private and not is_loopback(host):
            return False
        if any(_same(host, port, scheme, name) for name in hosts):
            return True
        if _named(host, port or _DEFAULT_PORTS[scheme], self.names):
            return True
        return same and not self.password and not self.private


def authority(url: str) -> tuple[str, int | None]:
    """Return the host, in small letters, and the port of an address; an empty host where it is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", None
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return "", None
    return host.rstrip("."), port


def _same(host: str, port: int | None, scheme: str, origin: str) -> bool:
    """Whether an origin is what was asked for; a ``Host`` without a port means the scheme's own."""
    name, number = authority(f"//{origin}")
    default = _DEFAULT_PORTS[scheme]
    return bool(name) and name == host and (number or default) == (port or default)


def _named(host: str, port: int | None, names: tuple[str, ...]) -> bool:
    """Whether one of ``names`` is that host; a name with a port means that port only, where one is asked for."""
    for name in names:
        named, number = authority(f"//{name}")
        if named == host and (port is None or port == number or (number is None and port in (80, 443))):
            return True
    return False


def door(host: str | None = None, port: int | None = None, environ: MutableMapping[str, str] | None = None) -> Door:
    """Return the door for ``host`` and ``port``, else for what the environment says, else 127.0.0.1.

    On this machine's own address no password is needed, and one that is set is asked for. Elsewhere it must be set, or
    ``WORKBENCH_PUBLIC=1`` must say that the page is for everybody, as on a host of demonstrations. ``generate`` in the
    place of a password makes one, and puts it there.

    Raises:
        BadInput: it would be open to others without a password; or the password is shorter than 12 characters.
    """
    variables = os.environ if environ is None else environ
    where = host or variables.get(HOST) or "127.0.0.1"
    generated = variables.get(PASSWORD) == GENERATE
    if generated:
        variables[PASSWORD] = secrets.token_urlsafe(12)
    password = variables.get(PASSWORD, "")
    if password and len(password) < SHORTEST:
        raise BadInput("web.door.short_password", variable=PASSWORD, shortest=SHORTEST, generate=GENERATE)
    if not password and not is_loopback(where) and variables.get(PUBLIC) != "1":
        raise BadInput("web.door.no_password", host=where, variable=PASSWORD, public=PUBLIC, generate=GENERATE)
    return Door(where, _port(port, variables), password, _names(variables), generated)


def _names(environ: Mapping[str, str]) -> tuple[str, ...]:
    names = tuple(environ.get(NAMES, "").replace(",", " ").lower().split())
    for name in names:
        if not authority(f"//{name}")[0]:
            raise BadInput("web.door.bad_name", given=name, variable=NAMES)
    return names


def _port(port: int | None, environ: Mapping[str, str]) -> int:
    configured = environ.get(PORT, "") if port is None else str(port)
    if configured and not (configured.isdigit() and int(configured) < 65536):
        raise BadInput("web.door.bad_port", given=configured)
    return int(configured or 0)
