"""On this machine a page is open; elsewhere it needs a password from the environment, or the word that it is public."""

from __future__ import annotations

import pytest

from workbench.chat.door import door
from workbench.errors import BadInput

GOOD = {"WORKBENCH_PASSWORD": "long enough for a door"}


def test_without_a_word_it_is_this_machine_only() -> None:
    assert door(environ={}).host == "127.0.0.1"
    assert door(environ={}).password == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", "127.0.0.1.example.org"])
def test_elsewhere_it_is_refused_without_a_password(host: str) -> None:
    with pytest.raises(BadInput, match="no password is set"):
        door(host, environ={})
    assert door(host, environ=GOOD).password == "long enough for a door"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.5.5.5"])
def test_this_machines_own_addresses_need_none(host: str) -> None:
    assert door(host, environ={}).host == host


def test_a_password_that_is_set_is_asked_for_here_too() -> None:
    at = door(environ=GOOD)
    assert at.opens("anybody", "long enough for a door")
    assert (
        not at.opens("anybody", "long enough for a doo")
        and not at.opens("anybody", "")
        and not at.opens("x", "密码密码密码密码")
    )


def test_a_short_password_is_refused() -> None:
    with pytest.raises(BadInput, match="too short"):
        door(environ={"WORKBENCH_PASSWORD": "12345678901"})


def test_a_public_page_must_be_wanted_in_so_many_words() -> None:
    assert door("0.0.0.0", environ={"WORKBENCH_PUBLIC": "1"}).password == ""
    with pytest.raises(BadInput):
        door("0.0.0.0", environ={"WORKBENCH_PUBLIC": "0"})


def test_the_environment_gives_host_and_port_and_the_arguments_count_more() -> None:
    told = {"WORKBENCH_HOST": "::1", "WORKBENCH_PORT": "7860"}
    assert (door(environ=told).host, door(environ=told).port) == ("::1", 7860)
    assert (door("127.0.0.1", 80, told).host, door("127.0.0.1", 80, told).port) == ("127.0.0.1", 80)
    with pytest.raises(BadInput, match="no port"):
        door(environ={"WORKBENCH_PORT": "http"})
