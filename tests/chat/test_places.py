"""A device is shared in the order of arrival, and says "busy" rather than letting the line grow."""

from __future__ import annotations

import threading

import pytest

from tests.waiting import until
from workbench.chat.places import Places
from workbench.errors import Failed


def hold(places: Places, order: list[int], number: int, go: threading.Event) -> threading.Thread:
    def work() -> None:
        with places.turn():
            order.append(number)
            go.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_who_came_first_is_served_first_and_no_more_at_once() -> None:
    places, order, go = Places(at_once=1, waiting=5), [], threading.Event()
    threads = [hold(places, order, 0, go)]
    until(lambda: order == [0])
    for number in range(1, 4):
        threads.append(hold(places, order, number, go))
        until(lambda n=number: places.in_line == n)
    assert places.served == 1
    go.set()
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3] and places.served == places.in_line == 0


def test_beyond_the_line_it_is_busy() -> None:
    places, order, go = Places(at_once=1, waiting=1), [], threading.Event()
    threads = [hold(places, order, 0, go), hold(places, order, 1, go)]
    until(lambda: places.in_line == 1 and places.served == 1)
    with pytest.raises(Failed, match="Too many"), places.turn():
        pass
    go.set()
    for thread in threads:
        thread.join(10)


def test_who_leaves_the_line_frees_the_place() -> None:
    places, order, go = Places(at_once=1, waiting=1), [], threading.Event()
    thread = hold(places, order, 0, go)
    until(lambda: order == [0])
    with places.turn(lambda: True) as came:
        assert not came
    assert places.in_line == 0
    go.set()
    thread.join(10)
    with places.turn() as came:
        assert came
