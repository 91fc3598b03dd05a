"""What a hostile upload costs the studio's server and the other visitors. Knows HTTP and clocks; no test.

    python benchmarks/uploads.py

Starts the studio as ``workbench studio`` does, lets one visitor upload a file of each kind below and another click
without pause, and prints for each file what the server said, by how much it and its children grew beyond what they
held before, and the longest click meanwhile. Wanted: under 300 MB, under 2 s.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VALUES = ["Sprout", "", "", "plain", ["en"], 0]
"""Name, author, purpose, manner, languages, ratio."""


def bomb(rows: int) -> bytes:
    """Return a Parquet file of one long text that stands in ``rows`` rows: small on disk, large when it is read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = "x" * 100_000
    table = pa.table({"instruction": pa.DictionaryArray.from_arrays(pa.array([0] * rows), pa.array([text]))})
    file = io.BytesIO()
    pq.write_table(table.append_column("output", pa.array(["y"] * rows)), file, compression="zstd")
    return file.getvalue()


def pictured(picture: bytes, rows: int = 1) -> bytes:
    """Return rows that hold a picture each."""
    address = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    return (
        json.dumps({"instruction": "<image>What is it?", "output": "A field.", "image": address}) + "\n"
    ).encode() * rows


def vast() -> bytes:
    """Return a PNG of as many pixels as a visitor's may have, seen through, of a camera that was turned."""
    from PIL import Image

    band, file, exif = Image.linear_gradient("L").resize((5000, 5000)), io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.merge("RGBA", [band] * 4).save(file, "PNG", exif=exif)
    return file.getvalue()


def described() -> bytes:
    """Return a WebP of ten pixels with EXIF of half a megabyte, each of whose thousand entries stands for all of it."""
    from PIL import Image

    entries = b"".join(struct.pack(">HHII", 0x8000 + n, 1, 500_000, 12_014) for n in range(1000))
    file = io.BytesIO()
    Image.new("RGB", (10, 10)).save(
        file, "WEBP", exif=b"MM\0*" + struct.pack(">IH", 8, 1000) + entries + bytes(500_004)
    )
    return file.getvalue()


def packed() -> bytes:
    """Return a zip archive of a text of a gigabyte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/sheet.xml", "w") as entry:
        for _ in range(1000):
            entry.write(bytes(1_000_000))
    return file.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "a small good file": lambda: b'{"instruction": "Hi", "output": "Hello."}\n' * 20,
    "a list in a list, a million deep": lambda: b"[" * 1_000_000,
    "one number of ten million digits": lambda: b'{"instruction": ' + b"9" * 10_000_000 + b', "output": "a"}',
    "one text of thirty megabytes": lambda: b'{"instruction": "' + b"x" * 30_000_000 + b'", "output": "a"}',
    "a million empty rows": lambda: b"{}\n" * 1_000_000,
    "a row of a million fields": lambda: json.dumps({str(n): n for n in range(1_000_000)}).encode(),
    "a table of a million columns": lambda: b",".join(b"c" for _ in range(1_000_000)) + b"\n" + b"," * 999_999,
    "a quote that never ends": lambda: b'instruction,output\n"' + b"x\n" * 10_000_000,
    "a hundred thousand rows that say the same": lambda: b'{"instruction": "Hi", "output": "Ho"}\n' * 100_000,
    "noise": lambda: bytes(range(256)) * 40_000,
    "UTF-32 without a text": lambda: b"\xff\xfe\0\0" + b"{\0\0\0" * 1_000_000,
    "Parquet, a text a hundred thousand times": lambda: bomb(100_000),
    "a picture of 25 million pixels": lambda: pictured(vast()),
    "the same picture in ten rows": lambda: pictured(vast(), 10),
    "a picture whose EXIF stands for gigabytes": lambda: pictured(described()),
    "an archive of a gigabyte": packed,
    "a page that never ends": lambda: b"<!DOCTYPE html><html>" + b"<div>" * 1_000_000,
}


@contextmanager
def studio(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the studio from a process of its own until the block ends."""
    import httpx

    command = [sys.executable, "-m", "workbench", "studio", "--port", str(port), "--root", str(folder)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                if httpx.get(f"http://127.0.0.1:{port}/", timeout=5).status_code < 500:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield server
    finally:
        server.kill()
        server.wait()


class Visitor:
    """Someone at the page, with a session of their own."""

    def __init__(self, port: int, session: str) -> None:
        import httpx

        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False)
        self.session = session
        config = self.http.get("/config").json()
        ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
        self.events = {
            (name, kind): number
            for number, event in enumerate(config["dependencies"])
            for name, part in ids.items()
            for target, kind in event["targets"]
            if target == part
        }
        kinds = [{kind for _, kind in event["targets"]} for event in config["dependencies"]]
        self._send(next(number for number, kind in enumerate(kinds) if "load" in kind), "")  # the page is opened

    def fire(self, part: str, kind: str, *values: Any) -> str:
        """Fire an event of a part, and return what the server sends until it is done."""
        return self._send(self.events[part, kind], "en", *values)

    def _send(self, number: int, *values: Any) -> str:
        body = {"data": list(values), "session_hash": self.session, "fn_index": number}
        self.http.post("/gradio_api/queue/join", json=body).raise_for_status()
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as lines:
            return next((line for line in lines.iter_lines() if "process_completed" in line), "")

    def upload(self, content: bytes) -> str:
        """Upload a file into the data step, and return what the server sends."""
        answer = self.http.post("/gradio_api/upload", files={"files": ("data.jsonl", content)})
        if answer.status_code != 200:
            return f"status {answer.status_code}"
        file = {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}, "orig_name": "data.jsonl"}
        return self.fire("upload", "upload", file, *VALUES)


def resident(pid: int) -> int:
    """Return the bytes of memory of a process and its children."""
    import psutil

    def of(process: psutil.Process) -> int:
        try:
            return int(process.memory_info().rss)
        except psutil.Error:  # it has just ended
            return 0

    server = psutil.Process(pid)
    return sum(map(of, (server, *server.children(recursive=True))))


class Watch:
    """The most memory, and the longest click of another visitor, while a file is uploaded."""

    def __init__(self, pid: int, other: Visitor) -> None:
        self.pid, self.other = pid, other
        self.memory = self.click = 0.0
        self.ended = threading.Event()

    def __enter__(self) -> Watch:
        self.threads = [threading.Thread(target=work) for work in (self._weigh, self._press)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def _weigh(self) -> None:
        while not self.ended.wait(0.05):
            self.memory = max(self.memory, resident(self.pid))

    def _press(self) -> None:
        while not self.ended.is_set():
            begun = time.perf_counter()
            self.other.fire("look", "click", "hi", "ho", "chat_template", "assistant", "", "keep")
            self.click = max(self.click, time.perf_counter() - begun)


def words(answer: str) -> str:
    """Return the first words of an error, or that the file was read."""
    import re

    error = re.search(r'wb-error[^>]*>(.*?)"', answer.replace('\\"', "'"))
    if error:
        return re.sub(r"\s*<[^>]+>\s*", " ", error[1]).strip()[:90]
    return "read" if answer.startswith("data:") else answer[:60]


def main() -> None:
    """Print a line of JSON for each file."""
    with tempfile.TemporaryDirectory() as folder, studio(8791, Path(folder)) as server:
        guest, other = Visitor(8791, "guest"), Visitor(8791, "other")
        for visitor in (guest, other):
            answer = visitor.fire("look", "click", "hi", "ho", "chat_template", "assistant", "", "keep")
            if "wb-tok" not in answer:
                raise SystemExit(f"no mask was drawn: {answer[:300]}")
        if "wb-error" in (answer := guest.upload(FILES["a small good file"]())):
            raise SystemExit(f"a good file was not read: {answer[:300]}")
        for name, make in FILES.items():
            content, before = make(), resident(server.pid)
            with Watch(server.pid, other) as watch:
                begun = time.perf_counter()
                answer = guest.upload(content)
            figures = {
                "file": name,
                "megabytes": round(len(content) / 1e6, 1),
                "seconds": round(time.perf_counter() - begun, 1),
                "more memory, MB": round((watch.memory - before) / 1e6),
                "longest click, s": round(watch.click, 2),
                "answered": words(answer),
            }
            print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
