"""What was done to a picture, said in its XMP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from restorekit.images.picture import Picture
from restorekit.images.xmp import with_event

# IPTC's term for media edited by generative AI. Every model here is a trained generator, which adds
# detail that no camera saw, whichever look is asked for: `algorithmicallyEnhanced` would say that
# no such thing happened, and `trainedAlgorithmicMedia` that there was no picture before.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


@dataclass(frozen=True)
class Provenance:
    """Who did what to a picture: the software and its version, the task, the model and the hash of
    its weights, and the options that were used."""

    software: str
    version: str
    task: str
    model: str
    model_hash: str
    options: Mapping[str, object] = field(default_factory=dict)


def with_provenance(picture: Picture, provenance: Provenance) -> Picture:
    """The picture with an entry in the history of its XMP (`xmpMM:History`) and with IPTC's
    `digitalSourceType`; all else in the XMP stays byte for byte, but for padding.

    Holds no time of day: the same run makes the same bytes. Where the XMP is damaged it stays as it
    is, and a note says so.
    """
    options = [f"{name}={value}" for name, value in provenance.options.items()]
    model = f"model={provenance.model} ({provenance.model_hash})"
    event = {
        "action": "edited",
        "softwareAgent": f"{provenance.software} {provenance.version}",
        "changed": "/",
        "parameters": "; ".join([f"task={provenance.task}", model, *options]),
    }
    packet = with_event(picture.metadata.xmp, event, SOURCE_TYPE)
    if packet is None:
        note = "its XMP is damaged: it was kept, and what was done could not be added to it"
        return replace(picture, notes=(*picture.notes, note))
    return replace(picture, metadata=replace(picture.metadata, xmp=packet))


def strip(picture: Picture) -> Picture:
    """The picture without what its file said of it, but with what its look depends on: the colour
    profile and a PNG's words on colour, how it was coded, and how long a frame is shown."""
    bare = replace(picture.metadata, exif=None, xmp=None, iptc=None, dpi=None, text={})
    return replace(picture, metadata=replace(bare, exr=bare.exr and bare.exr.stripped()))
