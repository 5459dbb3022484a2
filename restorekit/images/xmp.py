"""XMP with something added and not a byte of the rest changed.

A library that reads XMP and writes it anew drops what it does not know and renames what it does.
Here a parser only finds the places, and text is put in there (XMP specification, part 1, section 7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_MM = "http://ns.adobe.com/xap/1.0/mm/"
_EVENT = "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_SOURCE_TYPE = re.compile(
    rb"""(:DigitalSourceType\s*(?:=\s*["']|(?:\s+\w+:resource\s*=\s*["']|>))\s*)([^<>"']*)"""
)
# What XML 1.0 cannot say (section 2.2), and halves of characters from file names.
_UNSAYABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PADDING = re.compile(rb"\s{2,}(?=<\?xpacket end)")
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}"></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="w"?>'
).encode()


@dataclass
class _Places:
    """Where a packet's description ends, where its history ends, and what it is about."""

    description: int = -1
    history: int = -1
    about: str = ""
    path: list[str] = field(default_factory=list)


def with_event(packet: bytes | None, event: dict[str, str], source_type: str) -> bytes | None:
    """The packet with one more entry in its history and with this IPTC digital source type.

    A type that already says that the whole was generated stays; another one moves into the entry.
    Padding is taken out. None when the packet is damaged, so that nothing can be added.
    """
    merged = _utf8(packet) if packet else _EMPTY
    places = _places(merged)
    if places is None:
        return None
    found = _SOURCE_TYPE.search(merged)
    before = found[2].decode("utf-8", "replace").strip() if found else ""
    if before and before != source_type:
        event = event | {"parameters": f"{event['parameters']}; source type before: {before}"}
    edits = []  # where, how much is replaced, and by what
    entry = _entry(event)
    wrapped = f'<xmpMM:History xmlns:xmpMM="{_MM}"><rdf:Seq>{entry}</rdf:Seq></xmpMM:History>'
    inner = "" if places.history >= 0 else wrapped
    if places.history >= 0:
        edits.append((places.history, 0, entry))
    if not found:
        inner += f'<e:DigitalSourceType xmlns:e="{_IPTC}">{source_type}</e:DigitalSourceType>'
    elif not before.endswith("/trainedAlgorithmicMedia"):
        edits.append((found.start(2), len(found[2]), source_type))
    if inner:
        about = quoteattr(places.about)
        description = f'<rdf:Description xmlns:rdf="{_RDF}" rdf:about={about}>{inner}'
        edits.append((places.description, 0, f"{description}</rdf:Description>"))
    for place, length, text in sorted(edits, reverse=True):
        merged = merged[:place] + text.encode() + merged[place + length :]
    return _PADDING.sub(b"\n", merged)


def _entry(event: dict[str, str]) -> str:
    said = {key: escape(_UNSAYABLE.sub("\ufffd", text)) for key, text in event.items()}
    inner = "".join(f"<stEvt:{key}>{text}</stEvt:{key}>" for key, text in said.items())
    return f'<rdf:li xmlns:rdf="{_RDF}" xmlns:stEvt="{_EVENT}" rdf:parseType="Resource">{inner}</rdf:li>'


def _utf8(packet: bytes) -> bytes:
    """The packet in UTF-8, without what stands behind its end."""
    if b"\0" in packet[:64]:
        packet = packet.decode("utf-16", "replace").encode()
    return packet.rstrip(b"\0 \t\r\n")


def _places(packet: bytes) -> _Places | None:
    """Where to add to a packet; None when it is not well formed or describes nothing."""
    places = _Places()
    parser = expat.ParserCreate(namespace_separator=" ")

    def start(name: str, attributes: dict[str, str]) -> None:
        places.path.append(name)
        if places.path[-2:] == [f"{_RDF} RDF", f"{_RDF} Description"]:
            places.about = places.about or attributes.get(f"{_RDF} about", "")

    def end(name: str) -> None:
        closing = packet.startswith(b"</", parser.CurrentByteIndex)
        if name == f"{_RDF} RDF" and closing:
            places.description = parser.CurrentByteIndex
        inside = [f"{_RDF} RDF", f"{_RDF} Description", f"{_MM} History", f"{_RDF} Seq"]
        if places.path[-4:] == inside and closing:
            places.history = parser.CurrentByteIndex
        places.path.pop()

    def refuse(*_: object) -> None:
        raise ValueError("a document type has no place in XMP")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(packet, True)
    except (expat.ExpatError, ValueError):
        return None
    return places if places.description >= 0 else None
