"""A network to train on from another's weights: a larger one that computes the same (Chen 2016,
Net2Net), or one with finer levels before the other's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from torch import Tensor

from restorekit.engine.unet import UNet, UNetConfig
from restorekit.errors import ModelError

_ZERO = (".outer.weight", ".outer.bias")  # a block's last convolution, without what a look adds


def begun(weights: Mapping[str, Tensor], old: UNetConfig, new: UNetConfig) -> dict[str, Tensor]:
    """Weights to begin with in a network `new`: `grown`; `inherited` where its first cells are smaller.

    ModelError where neither is possible.
    """
    return (inherited if new.factor < old.factor else grown)(weights, old, new)


def inherited(weights: Mapping[str, Tensor], old: UNetConfig, new: UNetConfig) -> dict[str, Tensor]:
    """Weights of a network `new` that has finer levels before those of `old`, whose blocks it keeps.

    Where a level has fewer blocks, those furthest from the next coarser level stay; of another rank,
    what a look adds is new. Its first and last layer see other cells and are new too, so unlike `grown`
    it has to learn its results again. ModelError where `old`'s levels are not the last of `new`'s.
    """
    finer = len(new.widths) - len(old.widths)
    larger = replace(old, factor=new.factor, widths=new.widths, blocks=new.blocks, rank=new.rank)
    if larger != new or new.factor * 2**finer != old.factor or new.widths[finer:] != old.widths:
        raise ModelError(
            f"a network of widths {new.widths} on cells of {new.factor} cannot inherit the levels of "
            f"one of widths {old.widths} on cells of {old.factor}: they must be its last, and all else "
            "the same"
        )
    result, last = UNet(new).state_dict(), len(old.widths) - 1
    taken = [("embed.", "embed.")]
    for level in range(last):
        side = last - 1 - level  # the decoder's levels are counted from the coarsest
        taken += [(f"down.{level}.", f"down.{level + finer}."), (f"up.{side}.", f"up.{side}.")]
        before, after = old.blocks[level], new.blocks[level + finer]
        for block in range(min(before, after)):
            taken.append((f"encoder.{level}.{block}.", f"encoder.{level + finer}.{block}."))
            ends = [f"decoder.{side}.{n - 1 - block}." for n in (before, after)]
            taken.append((ends[0], ends[1]))
    taken += [(f"middle.{n}.", f"middle.{n}.") for n in range(min(old.blocks[-1], new.blocks[-1]))]
    for place, target in taken:
        for key in (key for key in weights if key.startswith(place)):
            kept = target + key.removeprefix(place)
            if kept in result and result[kept].shape == weights[key].shape:
                result[kept] = weights[key]
    return result


def grown(weights: Mapping[str, Tensor], old: UNetConfig, new: UNetConfig) -> dict[str, Tensor]:
    """Weights of a network `new` whose results are those of `weights` in a network `old`.

    `new` may have further, coarser levels, more blocks on each, and a rank. What it has more begins as
    the identity: a block's last convolution, the way up from a new level and what a look adds are
    zero, everything else is drawn from torch's generator. ModelError where `old` is no part of `new`,
    and for attention.
    """
    added = {"widths": new.widths, "blocks": new.blocks, "rank": old.rank or new.rank}
    larger = {**old.to_dict(), **added}
    same = larger == new.to_dict() and not old.attention
    if not (same and new.widths[: len(old.widths)] == old.widths and _has_room(old, new)):
        apart = [f"{key} {value}" for key, value in new.to_dict().items() if larger[key] != value]
        raise ModelError(
            f"a network of widths {old.widths} and blocks {old.blocks} cannot grow into one of widths "
            f"{new.widths} and blocks {new.blocks}{' with other ' * bool(apart)}{', '.join(apart)}: "
            "levels, blocks and a rank can be added, all else must be the same"
        )
    result = {
        key: value.zero_() if key.endswith(_ZERO) or key.startswith("up.") else value
        for key, value in UNet(new).state_dict().items()
    }
    places = dict(_places(old, new))
    for key, value in weights.items():
        place = max((p for p in places if key.startswith(p)), key=len)
        result[places[place] + key.removeprefix(place)] = value
    return result


def _has_room(old: UNetConfig, new: UNetConfig) -> bool:
    counts = list(new.blocks[: len(old.blocks)])
    if len(new.blocks) > len(old.blocks):
        counts[-1] *= 2  # no longer the last level: it has blocks on both sides
    return all(more >= count for more, count in zip(counts, old.blocks, strict=True))


def _places(old: UNetConfig, new: UNetConfig) -> Iterator[tuple[str, str]]:
    """(prefix of a tensor's name in `old`, its prefix in `new`)."""
    last, further = len(old.widths) - 1, len(new.widths) - len(old.widths)
    yield from ((name, name) for name in ("embed.", "head.", "heads.", "tail.", "tails."))
    for level in range(last):
        # The decoder's levels are counted from the coarsest.
        side = last - 1 - level
        yield f"encoder.{level}.", f"encoder.{level}."
        yield f"down.{level}.", f"down.{level}."
        yield f"up.{side}.", f"up.{side + further}."
        yield f"decoder.{side}.", f"decoder.{side + further}."
    for block in range(old.blocks[last]):
        if not further:
            yield f"middle.{block}.", f"middle.{block}."
        elif block < new.blocks[last]:
            yield f"middle.{block}.", f"encoder.{last}.{block}."
        else:
            yield f"middle.{block}.", f"decoder.{further - 1}.{block - new.blocks[last]}."
