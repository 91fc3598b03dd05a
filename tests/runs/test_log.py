from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from workbench.errors import Failed
from workbench.runs import EventLog, StatusEvent, TrainEvent, VerdictEvent


@pytest.fixture
def log(tmp_path):
    with_log = EventLog(tmp_path / "events.jsonl")
    yield with_log
    with_log.close()


def filled(log, steps):
    for step in range(1, steps + 1):
        log.append("train", step=step, loss=1 / step)


def raw(log):
    return [json.loads(line) for line in log.path.read_bytes().splitlines()]


def test_an_event_is_read_as_it_was_written(log):
    written = log.append("eval", step=3, loss=0.5, identity=1.0)
    assert log.all() == [written]
    assert (written.kind, written.step, written.loss, written.general) == ("eval", 3, 0.5, None)


def test_a_line_is_one_json_object_with_kind_time_seq_and_step(log):
    before = time.time()
    log.append("train", step=7, loss=2.0)
    (line,) = raw(log)
    assert line == {"kind": "train", "time": line["time"], "seq": 1, "step": 7, "loss": 2.0}
    assert before - 1e-3 <= line["time"] <= time.time()


def test_a_text_with_line_ends_and_any_language_stays_one_line(log):
    answer = "一行\n两行\u2028三行\r\x00\ud800"
    log.append("sample", step=1, question="？", answer=answer.replace("\ud800", ""))
    log.append("train", step=1)
    assert [event.kind for event in log.all()] == ["sample", "train"]
    assert log.all()[0].answer == "一行\n两行\u2028三行\r\x00"


def test_a_lone_surrogate_does_not_break_the_log(log):
    log.append("sample", step=1, question="q", answer="bad \ud83d end")
    assert log.all()[0].answer.startswith("bad ")


def test_a_loss_that_is_not_a_number_is_null_in_strict_json(log):
    log.append("train", step=1, loss=float("nan"), grad_norm=float("inf"))
    assert b"NaN" not in log.path.read_bytes()
    assert log.all()[0].loss is None


def test_a_scalar_of_an_array_library_becomes_a_number(log):
    class Scalar:
        def tolist(self):
            return 0.25

    assert log.append("train", step=1, loss=Scalar()).loss == 0.25


def test_a_kind_that_does_not_exist_cannot_be_written(log):
    with pytest.raises(ValueError, match="no event kind 'trian'"):
        log.append("trian")


def test_fields_and_kinds_of_a_newer_version_are_kept(log):
    log.path.write_text(
        '{"kind": "train", "time": 1, "seq": 1, "step": 2, "flops": 9}\n{"kind": "picture", "seq": 2}\n'
    )
    train, picture = log.all()
    assert isinstance(train, TrainEvent) and dict(train.more) == {"flops": 9}
    assert (picture.kind, picture.step) == ("picture", None)


@pytest.mark.parametrize(
    "torn", [b'{"kind": "train", "st', b"\x00\x00\x00", b'{"kind": "train"', b"\xff\n", b"[1]\n", b"\n\n"]
)
def test_a_torn_last_line_is_skipped_by_readers_and_mended_by_the_next_writer(log, torn):
    filled(log, 3)
    log.close()
    with log.path.open("ab") as file:
        file.write(torn)
    assert [event.step for event in log.all()] == [1, 2, 3]
    log.append("train", step=4)
    assert [line["seq"] for line in raw(log)] == [1, 2, 3, 4]


def test_a_whole_event_that_lacks_only_its_line_end_is_not_lost(log):
    filled(log, 2)
    log.close()
    log.path.write_bytes(log.path.read_bytes().rstrip(b"\n"))
    log.append("train", step=3)
    assert [event.step for event in log.all()] == [1, 2, 3]


def test_a_log_cut_at_any_byte_keeps_every_whole_event(log):
    filled(log, 4)
    log.close()
    content = log.path.read_bytes()
    for size in range(len(content) + 1):
        log.path.write_bytes(content[:size])
        whole = content[:size].count(b"\n") + (size > 0 and content[size : size + 1] == b"\n")
        other = EventLog(log.path)
        other.append("train", step=9)
        other.close()
        assert [event.seq for event in other.all()] == list(range(1, whole + 2))


def test_a_reader_takes_only_whole_lines_and_goes_on_from_its_offset(log):
    filled(log, 2)
    events, offset = log.read()
    with log.path.open("ab") as file:
        file.write(b'{"kind": "train", "seq": 3')
        file.flush()
        assert (len(events), log.read(offset)) == (2, ([], offset))
        file.write(b"}\n")
    assert [event.seq for event in log.read(offset)[0]] == [3]


def test_a_log_that_does_not_exist_yet_is_empty(log):
    assert log.read() == ([], 0)
    assert log.reader().new() == []


def test_a_rewind_takes_back_later_steps_and_keeps_the_status(log):
    filled(log, 4)
    log.append("status", state="failed", step=4)
    assert log.rewind(2) == 2
    assert [(event.kind, event.step) for event in log.all()] == [("train", 1), ("train", 2), ("status", 4)]
    assert len(log.discarded.read_bytes().splitlines()) == 2


def test_a_sequence_number_is_never_given_twice(log):
    filled(log, 4)
    log.rewind(2)
    log.close()
    log.append("train", step=3)
    assert [event.seq for event in log.all()] == [1, 2, 5]


def test_two_writers_in_turn_lose_and_double_nothing(log):
    other = EventLog(log.path)
    for step in (1, 3, 5):
        log.append("train", step=step)
        other.append("train", step=step + 1)
    other.rewind(4)
    log.append("train", step=5)
    other.close()
    assert [(event.step, event.seq) for event in log.all()] == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 7)]


def test_a_reader_gives_each_event_once_also_over_a_rewind(log):
    filled(log, 5)
    reader = log.reader()
    assert len(reader.new()) == 5
    log.rewind(3)
    log.append("status", state="resumed", step=3)
    filled_again = [log.append("train", step=step) for step in (4, 5, 6)]
    resumed, *again = reader.new()
    assert isinstance(resumed, StatusEvent) and resumed.step == 3
    assert again == filled_again
    assert reader.new() == []


def test_a_reader_beside_a_writer_sees_every_event_once_and_in_order(log):
    steps = 2000
    code = (
        "import sys, pathlib; from workbench.runs import EventLog; log = EventLog(pathlib.Path(sys.argv[1]))\n"
        f"for step in range({steps}): log.append('train', step=step, loss=0.5)\nlog.append('verdict', verdict='good')"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(log.path)])
    seen = list(log.follow(poll=0.001, stop=lambda: writer.poll() is not None))
    assert [event.seq for event in seen] == list(range(1, steps + 2))
    assert isinstance(seen[-1], VerdictEvent)


def test_following_gives_what_is_there_and_then_what_comes(log):
    filled(log, 2)
    over = threading.Event()
    events = log.follow(poll=0.005, stop=over.is_set)
    assert [next(events).step, next(events).step] == [1, 2]
    log.append("train", step=3)
    assert next(events).step == 3
    log.append("train", step=4)
    over.set()
    assert [event.step for event in events] == [4]


def test_a_replay_keeps_order_and_proportion_of_the_original(log):
    times = [100.0, 100.4, 100.4, 5000.0]
    log.path.write_text("".join(f'{{"kind": "train", "time": {t}, "seq": {i}}}\n' for i, t in enumerate(times, 1)))
    start = time.monotonic()
    at = [(event.seq, time.monotonic() - start) for event in log.replay(speed=4, longest_gap=0.8)]
    assert [seq for seq, _ in at] == [1, 2, 3, 4]
    assert at[1][1] >= 0.1 and at[3][1] >= 0.3


def test_a_replay_refuses_a_speed_of_nothing(log):
    with pytest.raises(ValueError, match="speed"):
        next(log.replay(speed=0))


def test_a_full_disk_leaves_the_log_as_it_was(log):
    resource = pytest.importorskip("resource")
    filled(log, 10)
    before = log.path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))  # room for a part of the line
    try:
        with pytest.raises(Failed, match="No space left"):
            log.append("sample", step=11, question="q", answer="a" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert log.path.read_bytes() == before
    assert log.append("train", step=11).seq == 11


def test_a_device_without_room_is_named_in_a_sentence():
    log = EventLog(Path("/dev/full"))
    if not log.path.exists():
        pytest.skip("no /dev/full here")
    log._descriptor = os.open("/dev/full", os.O_WRONLY)  # it gives zeros without end to who reads it
    log._left = log._mark()
    with pytest.raises(Failed, match="No space left on the disk for"):
        log.append("train", step=1)
    log.close()


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"kind": ' * 100_000,
        '{"kind": "train", "time": Infinity, "seq": 1e400, "step": 1e999, "loss": 1e400}',
        '{"kind": "train", "time": "noon", "seq": [], "step": "two", "loss": "low"}',
        '{"kind": "verdict", "seq": 1, "verdict": 7, "reason": {"a": 1}}',
        '{"kind": "train", "seq": 1, "loss": 1' + "0" * 400 + "}",
    ],
)
def test_a_damaged_line_takes_no_whole_one_away(log, line):
    log.append("train", step=1, loss=0.5)
    log.close()
    with log.path.open("a") as file:
        file.write(line + "\n")
    log.append("train", step=2, loss=0.25)
    losses = [event.loss for event in log.all() if event.kind == "train" and event.step]
    assert losses == [0.5, 0.25]
    assert all(isinstance(event.time, float) and isinstance(event.seq, int) for event in log.all())
