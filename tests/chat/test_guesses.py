"""Wrong passwords cost time, by caller and in all; nobody's shut out an account, or whoever came in before."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from workbench.chat.guesses import CALLERS, Guesses, caller_of


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def wrong(guesses: Guesses, caller: str) -> float:
    """A wrong guess; the seconds that it must wait, where it is not looked at."""
    right, wait = guesses.try_one(caller, lambda: False)
    assert not right
    return wait


def test_after_five_wrong_ones_the_wait_doubles_up_to_a_minute() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    assert [wrong(guesses, "a") for _ in range(5)] == [0.0] * 5
    waits = []
    for _ in range(9):
        waits.append(wrong(guesses, "a"))
        clock.now += waits[-1]
        assert wrong(guesses, "a") == 0.0
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_while_one_waits_nothing_is_looked_at_and_the_wait_does_not_grow() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(5):
        wrong(guesses, "a")
    looked = []
    for _ in range(1000):
        assert guesses.try_one("a", lambda: bool(looked.append(1)) or True) == (False, 1.0)
    assert not looked
    clock.now += 1
    assert guesses.try_one("a", lambda: True) == (True, 0.0)
    assert wrong(guesses, "a") == 0.0  # and all is forgotten


def test_many_addresses_are_slowed_together() -> None:
    guesses = Guesses(Clock())
    assert [wrong(guesses, f"192.0.2.{n}") for n in range(5)] == [0.0] * 5
    assert wrong(guesses, "192.0.2.99") == 1.0


def test_nobody_elses_wrong_ones_shut_out_who_came_in_before_or_an_account_of_this_machine() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    assert guesses.try_one("192.0.2.200", lambda: True)[0]
    for n in range(40):
        wrong(guesses, f"192.0.2.{n}")
        wrong(guesses, "account 7")
    assert guesses.try_one("192.0.2.200", lambda: True)[0]
    assert guesses.try_one("account 8", lambda: True)[0]
    assert wrong(guesses, "account 7") > 0


def test_what_is_remembered_is_bounded() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for n in range(CALLERS + 10):
        guesses.try_one(str(n), lambda: False)
    assert len(guesses._callers) <= CALLERS


@pytest.mark.parametrize(
    ("client", "name"),
    [
        (None, "nobody"),
        (["192.0.2.1", 9], "192.0.2.1"),
        (["::ffff:192.0.2.1", 9], "192.0.2.1"),
        (["2001:db8::1", 9], "2001:db8::/64"),
        (["2001:db8::2%eth0", 9], "2001:db8::/64"),
        (["testclient", 50000], "testclient"),
    ],
)
def test_a_caller_is_an_address(client: list[object] | None, name: str) -> None:
    assert caller_of(client, ["192.0.2.9", 7860]) == name


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc/net")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_on_this_machine_it_is_the_account(family: socket.AddressFamily) -> None:
    here = "127.0.0.1" if family == socket.AF_INET else "::1"
    try:
        server = socket.create_server((here, 0), family=family)
    except OSError:
        pytest.skip("no such addresses here")
    with server, socket.create_connection(server.getsockname()[:2]) as client:
        assert caller_of(client.getsockname(), server.getsockname()) == f"account {os.getuid()}"
