"""What a picture's file holds beside its pixels, left out before any library reads it. Knows the containers of JPEG,
PNG, WebP and GIF; decodes nothing.

Libraries copy what a file says of cameras, colours and comments in full, and a few bytes of it may stand for gigabytes:
each of 65 536 entries of EXIF may point to the same megabytes, and comments without number are joined one by one. Of
all that, only how the camera was held is of use here.

Source: ITU-T T.81, annex B; PNG (third edition), 5.3, 11.3.4.5; RFC 9649, 2.7; GIF89a, 17 to 27; TIFF 6.0, section 2;
Exif 2.32, 4.6.4.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

# Parts of a file that are gone through; the largest pictures of this house have a quarter of that.
PARTS = 300_000
# Times that a JPEG goes over its pixels: ten are usual, and each of a few bytes may take as long as all pixels do.
SCANS = 500
# Bytes of a text that says how a camera was held, once it is unpacked.
_TEXT = 1_000_000
_ORIENTATION = 0x0112
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
# Markers of JPEG that stand without a length, and those whose segments say how the pixels are written.
_BARE_MARKERS = {0x01, *range(0xD0, 0xD9)}
_JPEG_KEPT = {*range(0xC0, 0xD0), 0xDB, 0xDC, 0xDD, 0xE0, 0xEE}
_PIXELS = (0xDA, 0xD9)  # where the metadata ends
_WEBP_FLAGS = 0x20 | 0x08 | 0x04  # a profile of colours, EXIF, XMP


class Damaged(ValueError):
    """Signal a file that is built to take long; the reason is for a person."""


@dataclass(slots=True)
class Stripped:
    """Hold a picture's file without its metadata.

    Args:
        data: the file; what is cut off or is no such file stays so.
        orientation: how the camera was held, 1 to 8 as in EXIF.
        animated: whether further frames follow the first.
    """

    data: bytes
    orientation: int = 1
    animated: bool = False


@dataclass(slots=True)
class _Notes:
    """The pieces of metadata in which an orientation may stand."""

    exif: bytes = b""
    xmp: bytes = b""
    pieces: list[bytes | memoryview] = field(default_factory=list)

    def orientation(self) -> int:
        """Return EXIF's, else XMP's; 1 where neither tells."""
        if value := _from_exif(self.exif.removeprefix(b"Exif\0\0")):
            return value
        match = _XMP.search(self.xmp)
        return int(match[1]) if match else 1

    def joined(self, *, animated: bool = False) -> Stripped:
        """Return the file of the pieces."""
        return Stripped(b"".join(self.pieces), self.orientation(), animated)


def stripped(data: bytes) -> Stripped:
    """Return a picture's file without its metadata, and what of that counts.

    Raises:
        Damaged: it has more parts or scans than any picture.
    """
    for sign, strip in _STRIPPERS.items():
        if data.startswith(sign):
            return strip(data)
    return Stripped(data)


def _counted(number: int) -> int:
    if number >= PARTS:
        raise Damaged("it has more parts than a picture has")
    return number + 1


def _jpeg(data: bytes) -> Stripped:
    notes = _Notes(pieces=[data[:2]])
    view, place, count = memoryview(data), 2, 0
    while (place := data.find(b"\xff", place)) >= 0 and place + 4 <= len(data):
        count = _counted(count)
        marker = data[place + 1]
        if marker in (0x00, 0xFF) or marker in _BARE_MARKERS:  # filling, or what has no length
            place += 1 if marker == 0xFF else 2
            continue
        if marker in _PIXELS:
            if data.count(b"\xff\xda", place) > SCANS:
                raise Damaged("it has more scans than a picture has")
            notes.pieces.append(view[place:])
            break
        end = place + 2 + max(2, int.from_bytes(data[place + 2 : place + 4], "big"))
        if marker in _JPEG_KEPT:
            notes.pieces.append(view[place:end])
        elif marker == 0xE1:
            _note_app1(notes, data[place + 4 : end])
        place = end
    return notes.joined()


def _note_app1(notes: _Notes, content: bytes) -> None:
    if content.startswith(b"Exif\0\0"):
        notes.exif = notes.exif or content
    elif content.startswith(_JPEG_XMP):
        notes.xmp = notes.xmp or content


def _png(data: bytes) -> Stripped:
    notes, animated = _Notes(pieces=[data[:8]]), False
    view, count = memoryview(data), 0
    for kind, begin, end in _chunks(data, 8, "big", extra=4):
        count = _counted(count)
        content = data[begin + 8 : end - 4] if kind in _PNG_NOTES else b""
        if kind == b"acTL":
            animated = int.from_bytes(data[begin + 8 : begin + 12], "big") > 1
        elif kind in _PNG_NOTES:
            _note_chunk(notes, kind, content)
        elif kind[:1].isupper() or kind == b"tRNS":
            notes.pieces.append(view[begin:end])
        if kind == b"IEND":
            break
    return notes.joined(animated=animated)


_PNG_NOTES = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")


def _note_chunk(notes: _Notes, kind: bytes, content: bytes) -> None:
    if kind == b"eXIf":
        notes.exif = notes.exif or content
        return
    key, _, rest = content.partition(b"\0")
    if key == b"Raw profile type exif" and not notes.exif:
        words = (_inflated(rest[1:]) if kind == b"zTXt" else rest).split(b"\n")[3:]
        notes.exif = _from_hex(b"".join(words))
    elif key == b"XML:com.adobe.xmp" and kind == b"iTXt" and not notes.xmp:
        text = rest[2:].split(b"\0", 2)[-1]
        notes.xmp = _inflated(text) if rest[:1] == b"\1" else text


def _inflated(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, _TEXT)
    except zlib.error:
        return b""


def _from_hex(digits: bytes) -> bytes:
    try:
        return bytes.fromhex(digits[: 2 * _TEXT].decode("ascii"))
    except ValueError:
        return b""


def _webp(data: bytes) -> Stripped:
    if data[8:12] != b"WEBP":
        return Stripped(data)
    notes, animated = _Notes(), False
    view, count = memoryview(data), 0
    for kind, begin, end in _chunks(data, 12, "little"):
        count = _counted(count)
        if kind == b"VP8X" and end - begin >= 9:
            flags = data[begin + 8]
            animated = bool(flags & 2)
            notes.pieces += [view[begin : begin + 8], bytes([flags & ~_WEBP_FLAGS]), view[begin + 9 : end]]
        elif kind == b"EXIF":
            notes.exif = notes.exif or data[begin + 8 : end]
        elif kind == b"XMP ":
            notes.xmp = notes.xmp or data[begin + 8 : end]
        elif kind in (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"):
            notes.pieces.append(view[begin:end])
    size = sum(len(piece) for piece in notes.pieces) + 4
    notes.pieces[:0] = [b"RIFF", struct.pack("<I", size), b"WEBP"]
    return notes.joined(animated=animated)


def _chunks(data: bytes, place: int, order: str, extra: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of each chunk of PNG (``big``) or RIFF (``little``); the last may be cut off."""
    while place + 8 <= len(data):
        if order == "big":
            size, kind = struct.unpack_from(">I4s", data, place)
        else:
            kind, size = struct.unpack_from("<4sI", data, place)
            size += size & 1
        end = place + 8 + size + extra
        yield kind, place, min(end, len(data))
        place = end


def _gif(data: bytes) -> Stripped:
    """The head, the control of the first frame, and that frame."""
    head = 13 + _table(data, 10)
    control, begin = _to_frame(data, head)
    if begin >= len(data):
        return Stripped(data[:head])
    end = _after_blocks(data, begin + 10 + _table(data, begin + 9) + 1)
    frame, closing = data[begin:end], b";" if end <= len(data) else b""
    return Stripped(data[:head] + control + frame + closing, animated=_to_frame(data, end)[1] < len(data))


def _to_frame(data: bytes, place: int) -> tuple[bytes, int]:
    """The control of the next frame and where that begins; the end of the file where there is none."""
    control, count = b"", 0
    while place < len(data) and data[place] not in b",;":
        count = _counted(count)
        if data[place] != ord("!"):  # filling
            place += 1
            continue
        end = _after_blocks(data, place + 2)
        control = data[place:end] if data[place + 1 : place + 2] == b"\xf9" else control
        place = end
    return control, place if data[place : place + 1] == b"," else len(data)


def _table(data: bytes, place: int) -> int:
    """Bytes of the colours that the flags at ``place`` announce."""
    flags = data[place] if place < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, place: int) -> int:
    """Where a run of blocks ends, each with its length before it, the last empty."""
    count = 0
    while place < len(data) and data[place]:
        count = _counted(count)
        place += 1 + data[place]
    return place + 1


def _from_exif(tiff: bytes) -> int:
    """The orientation in the first directory; 0 where none stands there."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 0
    try:
        (place,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, place)
        for begin in range(place + 2, place + 2 + 12 * entries, 12):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, begin)
            if tag == _ORIENTATION:
                return _one_to_eight(struct.unpack_from(f"{order}{_NUMBERS.get(kind, 'H')}", tiff, begin + 8)[0])
    except struct.error:
        return 0
    return 0


_NUMBERS = {1: "B", 3: "H", 4: "I"}


def _one_to_eight(value: int) -> int:
    return value if value in range(1, 9) else 0


_STRIPPERS = {b"\xff\xd8": _jpeg, b"\x89PNG\r\n\x1a\n": _png, b"RIFF": _webp, b"GIF8": _gif}
