"""Where a file carries the record and the text `parameters`, in bytes: PNG chunks, EXIF, XMP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import pack
from typing import TYPE_CHECKING, Any

from latentlink.errors import UsageError
from latentlink.runtime.picture_files.formats import FORMATS, MOST_TEXT, title

if TYPE_CHECKING:
    from PIL.Image import Image

EXIF_IFD, EXIF_VERSION, USER_COMMENT, XMP_TAG = 0x8769, 0x9000, 0x9286, 700
"""Tags of TIFF and EXIF."""

_LONG, _UNDEFINED_TYPE = 4, 7
"""Types of a tag's value."""

_UNICODE, _ASCII, _UNDEFINED = b"UNICODE\0", b"ASCII\0\0\0", bytes(8)
"""The codes of characters with which a comment in EXIF begins."""

_BEFORE, _AFTER = b"<latentlink:record>", b"</latentlink:record>"

_PACKET = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:latentlink="urn:latentlink:">%b%b%b</rdf:Description></rdf:RDF></x:xmpmeta>'
    b'<?xpacket end="r"?>'
)


def arguments_for(kind: str, *, record: str, text: str) -> tuple[dict[str, Any], list[str]]:
    """What a file carries, as arguments of Pillow's `save`.

    Args:
        kind: Pillow's name of the format.
        record: The JSON record.
        text: The text `parameters`.

    Returns:
        The arguments, and a sentence for each of both that is too long for the format.
    """
    format = FORMATS[kind]
    held: dict[str, bytes] = {}
    left_out = []
    if format.record is None:
        return {}, [f"a {title(kind)} file does not hold how the picture was made; PNG, JPEG, WebP and AVIF do."]
    for content, place, most, what, who in (
        (record, format.record, format.most_record, "record", "inspect and --like do not find it"),
        (text, format.text, format.most_text, "text", "other programs do not find it"),
    ):
        if place is None:
            continue
        data = _PACKED[place](content)
        if len(data) <= most:
            held[place] = data
        else:
            left_out.append(
                f"the {what} of how the picture was made is left out, so that {who}: it takes {len(data)} bytes, and a "
                f"{title(kind)} file holds {most}."
            )
    return _for_pillow(held), left_out


def texts_of(image: Image) -> tuple[str | None, str | None]:
    """The record and the text `parameters` that an open file carries, unchecked; None for what it does not carry.

    Raises:
        UsageError: One of them is longer than `MOST_TEXT`.
        Exception: Pillow does not read the file's EXIF data.
    """
    chunks: Mapping[Any, Any] = image.info if image.format == "PNG" else {}
    record, text = (one if isinstance(one, str) else None for one in map(chunks.get, ("latentlink", "parameters")))
    xmp = image.info.get("xmp")
    if record is None and isinstance(xmp, bytes):
        record = _from_xmp(xmp)
    if text is None and "exif" in image.info:  # otherwise Pillow would unpack a PNG to look for it
        comment = image.getexif().get_ifd(EXIF_IFD).get(USER_COMMENT)
        text = _from_comment(comment) if isinstance(comment, bytes) else None
    for found in (record, text):
        _check_length(found or "")
    return record, text


def _check_length(text: str | bytes) -> None:
    """Refuse what is longer than any file of ours holds, before it is decoded or taken apart."""
    if len(text) > MOST_TEXT:
        raise UsageError(
            f"Received {len(text)} characters of how a picture was made; expected at most {MOST_TEXT}.",
            remedy="Save the picture again without its metadata.",
        )


def _utf8(text: str) -> bytes:
    """Halves of surrogate pairs become escapes, which JSON has too; NUL, which would end a text, becomes U+FFFD."""
    return text.replace("\0", "\ufffd").encode("utf-8", "backslashreplace")


def _xmp(record: str) -> bytes:
    return _PACKET % (_BEFORE, _utf8(record), _AFTER)


def _exif(text: str) -> bytes:
    """EXIF with the text as its comment: two directories of TIFF, high byte first.

    Pillow would give the comment the type BYTE, in which the reader of AUTOMATIC1111's web UI does not look.
    """
    comment = _UNICODE + _utf8(text).decode().encode("utf-16-be")  # in this order, whatever that of the rest
    header, exif_at, comment_at = b"Exif\0\0MM\0*" + pack(">I", 8), 26, 56  # places count from MM
    first = pack(">H HHII I", 1, EXIF_IFD, _LONG, 1, exif_at, 0)
    second = pack(
        ">H HHI4s HHII I",
        *(2, EXIF_VERSION, _UNDEFINED_TYPE, 4, b"0232"),
        *(USER_COMMENT, _UNDEFINED_TYPE, len(comment), comment_at, 0),
    )
    return header + first + second + comment


_PACKED: Mapping[str, Callable[[str], bytes]] = {
    "latentlink": _utf8,
    "parameters": _utf8,
    "xmp": _xmp,
    "tag": _xmp,
    "exif": _exif,
}
"""By place: a text as its bytes."""


def _for_pillow(held: Mapping[str, bytes]) -> dict[str, Any]:
    from PIL.PngImagePlugin import PngInfo

    arguments: dict[str, Any] = {name: held[name] for name in ("exif", "xmp") if name in held}
    if "tag" in held:
        arguments["tiffinfo"] = {XMP_TAG: held["tag"]}
    if chunks := [name for name in ("parameters", "latentlink") if name in held]:
        arguments["pnginfo"] = PngInfo()
        for name in chunks:
            arguments["pnginfo"].add_text(name, held[name].decode())
    return arguments


def _from_xmp(packet: bytes) -> str | None:
    """The record in XMP that this program wrote, or another one kept."""
    _, found, rest = packet.partition(_BEFORE)
    record, ended, _ = rest.partition(_AFTER)
    _check_length(record)
    return record.decode("utf-8", "replace") if found and ended else None


def _from_comment(comment: bytes) -> str | None:
    """The text of a comment in EXIF; None if it is of another alphabet."""
    _check_length(comment)
    code, text = comment[:8], comment[8:]
    if code == _UNICODE:
        # most programs write the high byte first, whatever the file's order; settings are ASCII, whose high byte is 0
        order = "utf-16-be" if text[::2].count(0) >= text[1::2].count(0) else "utf-16-le"
        return text.decode(order, "replace")
    return text.decode("utf-8", "replace").rstrip("\0") if code in (_ASCII, _UNDEFINED) else None
