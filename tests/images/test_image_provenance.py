"""What was done is added to the XMP, and nothing that was there is lost."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_samples import SRGB, XMP, exif_blob, picture, ramp
from PIL import Image

from restorekit.images import Metadata, Provenance, read, strip, with_provenance, write
from restorekit.images.picture import JpegCoding

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
MM = "{http://ns.adobe.com/xap/1.0/mm/}"
EVENT = "{http://ns.adobe.com/xap/1.0/sType/ResourceEvent#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
OURS = TERMS + "compositeWithTrainedAlgorithmicMedia"
DONE = Provenance("restorekit", "0.1.0", "upscale", "upscale-v1", "ab12", {"scale": 2.0, "seed": 0})
HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
)
NAMESPACES = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" '
    'xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" '
    'xmlns:ext="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
)
HISTORY = (
    '<xmpMM:History><rdf:Seq><rdf:li stEvt:action="saved" stEvt:softwareAgent="Camera 1"/>'
    "</rdf:Seq></xmpMM:History>"
)


def packet(inner: str = "", attributes: str = "") -> bytes:
    return (
        f'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>{HEAD}<rdf:Description rdf:about="u:1" '
        f"{NAMESPACES} {attributes}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta>\n"
        + " " * 900
        + '\n<?xpacket end="w"?>'
    ).encode()


def after(xmp: bytes | None, provenance: Provenance = DONE) -> bytes:
    done = with_provenance(picture(metadata=Metadata(xmp=xmp)), provenance)
    assert done.notes == ()
    assert done.metadata.xmp is not None
    return done.metadata.xmp


def tree(xmp: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(xmp)


def entries(xmp: bytes) -> list[ElementTree.Element]:
    histories = list(tree(xmp).iter(f"{MM}History"))
    assert len(histories) == 1
    return histories[0].findall(f"{RDF}Seq/{RDF}li")


def source_type(xmp: bytes) -> str:
    elements = [e.text for e in tree(xmp).iter(f"{IPTC}DigitalSourceType")]
    given = [
        d.get(f"{IPTC}DigitalSourceType")
        for d in tree(xmp).iter(f"{RDF}Description")
        if d.get(f"{IPTC}DigitalSourceType")
    ]
    (only,) = elements + given
    assert only is not None
    return only


@pytest.mark.user("L5")
@pytest.mark.user("J10")
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".jp2", ".avif"])
def test_the_file_says_what_was_done(tmp_path: Path, suffix: str) -> None:
    write(with_provenance(picture(), DONE), tmp_path / f"a{suffix}")
    xmp = read(tmp_path / f"a{suffix}").metadata.xmp
    assert xmp is not None
    (entry,) = entries(xmp)
    said = {e.tag.removeprefix(EVENT): e.text for e in entry}
    assert said == {
        "action": "edited",
        "softwareAgent": "restorekit 0.1.0",
        "changed": "/",
        "parameters": "task=upscale; model=upscale-v1 (ab12); scale=2.0; seed=0",
    }
    assert source_type(xmp) == OURS


def test_nothing_in_it_is_lost_or_moved() -> None:
    before = packet(f"<dc:title>Größe &amp; more<!-- kept --></dc:title>{HISTORY}")
    xmp = after(before)
    without = re.sub(rb"<rdf:li xmlns.*?</rdf:li>", b"", xmp)
    without = re.sub(rb"<rdf:Description xmlns:rdf=[^>]*><e:.*?</rdf:Description>", b"", without)
    assert without == re.sub(rb"\s+<\?xpacket end", b"\n<?xpacket end", before)


def test_the_history_goes_on() -> None:
    once = after(packet(HISTORY))
    twice = after(once, replace(DONE, task="denoise"))
    agents = [
        e.get(f"{EVENT}softwareAgent") or e.findtext(f"{EVENT}softwareAgent")
        for e in entries(twice)
    ]
    assert agents == ["Camera 1", "restorekit 0.1.0", "restorekit 0.1.0"]
    assert source_type(twice) == OURS
    abouts = {d.get(f"{RDF}about") for d in tree(twice).iter(f"{RDF}Description")}
    assert abouts == {"u:1"}


def test_the_history_of_an_ingredient_is_not_taken_for_the_pictures() -> None:
    inner = (
        f"<xmpMM:Ingredients><rdf:Bag><rdf:li><rdf:Description>{HISTORY}</rdf:Description>"
        "</rdf:li></rdf:Bag></xmpMM:Ingredients>"
    )
    root = tree(after(packet(inner)))
    top = root.find(f"{RDF}RDF")
    assert top is not None
    (own,) = [d.find(f"{MM}History") for d in top if d.find(f"{MM}History") is not None]
    assert own is not None
    assert len(own.findall(f"{RDF}Seq/{RDF}li")) == 1


@pytest.mark.parametrize(
    "form",
    [
        'attribute ext:DigitalSourceType="{}"',
        "element <ext:DigitalSourceType>{}</ext:DigitalSourceType>",
        'element <ext:DigitalSourceType rdf:resource="{}"/>',
    ],
)
@pytest.mark.parametrize("term", ["digitalCapture", "trainedAlgorithmicMedia"])
def test_the_source_type_says_what_is_true_now(form: str, term: str) -> None:
    where, statement = form.split(" ", 1)
    filled = statement.format(TERMS + term)
    xmp = after(packet(attributes=filled) if where == "attribute" else packet(filled))
    if term == "digitalCapture":
        assert xmp.count(OURS.encode()) == 1
        (entry,) = entries(xmp)
        parameters = entry.findtext(f"{EVENT}parameters") or ""
        assert parameters.endswith(f"source type before: {TERMS}digitalCapture")
    else:
        assert OURS.encode() not in xmp
        assert xmp.count((TERMS + term).encode()) == 2  # as it was, and in the entry


@pytest.mark.parametrize(
    "damaged",
    [
        b"<x:xmpmeta",
        b"not xml at all",
        b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaa'>]><x>&a;</x>",
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
        XMP,  # prefixes that are never declared
    ],
)
def test_damaged_xmp_is_kept_and_told_of(damaged: bytes) -> None:
    done = with_provenance(picture(metadata=Metadata(xmp=damaged)), DONE)
    assert done.metadata.xmp == damaged
    assert "its XMP is damaged" in done.notes[0]


def test_a_packet_in_utf_16_is_read() -> None:
    wide = packet("<dc:title>Größe</dc:title>").decode().encode("utf-16")
    assert "Größe" in after(wide).decode()
    assert source_type(after(wide)) == OURS


@settings(max_examples=60, deadline=None)
@given(st.text(), st.text(st.characters(exclude_categories=[])))
def test_options_may_hold_anything(name: str, value: str) -> None:
    xmp = after(packet(HISTORY), replace(DONE, options={name: value}))
    assert len(entries(xmp)) == 2


@pytest.mark.user("M1")
def test_the_same_words_each_time() -> None:
    assert after(packet(HISTORY)) == after(packet(HISTORY))


@pytest.mark.user("L3")
def test_stripped_of_all_but_its_look(tmp_path: Path) -> None:
    full = Metadata(
        icc=SRGB,
        exif=exif_blob(1),
        xmp=packet(),
        iptc=b"\x1c\2\x19\0\1a",
        dpi=(300, 300),
        text={"Author": "A"},
        colour={"gAMA": b"\0\0\xb1\x8f"},
        jpeg=JpegCoding(((1,) * 64,), 2),
        lossy=True,
    )
    bare = strip(picture(metadata=full)).metadata
    assert bare == Metadata(icc=SRGB, colour=full.colour, jpeg=full.jpeg, lossy=True)
    Image.fromarray(ramp()).save(
        tmp_path / "a.jpg", exif=b"Exif\0\0" + exif_blob(6), dpi=(300, 300)
    )
    write(strip(read(tmp_path / "a.jpg")), tmp_path / "b.jpg")
    data = (tmp_path / "b.jpg").read_bytes()
    assert b"Exif" not in data
    assert read(tmp_path / "b.jpg").height == 40  # upright all the same
