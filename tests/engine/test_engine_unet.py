"""The network: its receptive field, its symmetry under shifts, its two ways of modulating."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from engine_oracles import images
from torch import Tensor, nn

from restorekit.engine import codec
from restorekit.engine.unet import Embedding, UNet, UNetConfig
from restorekit.errors import UsageError

TINY = UNetConfig(channels=2, concat=1, factor=2, widths=(4, 6), blocks=(1, 1), numbers=("a",))


def awake(config: UNetConfig, dtype: torch.dtype = torch.float64, seed: int = 0) -> UNet:
    """A network without a zero in it, as training would leave it."""
    generator = torch.Generator().manual_seed(seed)
    network = UNet(config)
    with torch.no_grad():
        for parameter in network.parameters():
            fan = max(1, parameter[0].numel())
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / math.sqrt(fan))
    return network.to(dtype).requires_grad_(False).eval()


def inputs(config: UNetConfig, count: int, side: int, dtype: torch.dtype = torch.float64):
    x, concat = images(2, count, max(config.channels, config.concat), side, side, dtype=dtype)
    t = torch.linspace(0.2, 0.9, count, dtype=dtype)
    numbers = torch.linspace(-1, 1, count * len(config.numbers), dtype=dtype).reshape(count, -1)
    return x[:, : config.channels], concat[:, : config.concat], t, numbers


FIELDS = [
    UNetConfig(channels=1, concat=1, factor=1, widths=(4,), blocks=(2,), embedding=8),
    UNetConfig(channels=1, concat=1, factor=2, widths=(4, 6), blocks=(1, 1), embedding=8),
    UNetConfig(channels=1, concat=1, factor=1, widths=(3, 4, 5), blocks=(1, 0, 1), embedding=8),
    UNetConfig(channels=1, concat=1, factor=4, widths=(4, 4), blocks=(0, 1), embedding=8),
    UNetConfig(channels=1, concat=1, factor=3, widths=(4, 4), blocks=(1, 0), embedding=8),
]


@pytest.mark.parametrize("config", FIELDS, ids=lambda c: f"{c.factor}-{c.widths}-{c.blocks}")
def test_the_radius_is_the_receptive_field_s_exactly(config: UNetConfig) -> None:
    """The farthest input with a gradient, over every position within a stride."""
    network, stride = awake(config), config.stride
    reach = int(config.radius)
    middle = -(-(reach + stride) // stride) * stride
    side = 2 * middle + stride
    x, concat, t, numbers = inputs(config, 1, side)
    farthest = 0
    for place in range(middle, middle + stride):
        seen = [image.clone().requires_grad_() for image in (x, concat)]
        network(seen[0], seen[1], t, numbers)[0, 0, place, place].backward()
        for image in seen:
            rows = image.grad[0, 0].abs().sum(1).nonzero().flatten()
            columns = image.grad[0, 0].abs().sum(0).nonzero().flatten()
            assert torch.equal(rows, columns)
            farthest = max(farthest, place - int(rows[0]), int(rows[-1]) - place)
    assert farthest <= config.radius, "tiles would show"
    assert farthest == config.radius, "margins would be wider than needed"


def test_the_trial_s_radius() -> None:
    """numbers.md: about 180 for two levels, 64 × (4 + 4), 128 × 6, factor 4; at most 192 shipped."""
    assert UNetConfig().radius == 2 * (4 * 8 + 8 * 6) + 2 * 4 + 7 == 175


@pytest.mark.parametrize(
    "change", [{"attention": (1,)}, {"norm_groups": 2}, {"attention": (0,), "norm_groups": 2}]
)
def test_attention_and_group_norm_look_at_everything(change: dict) -> None:
    config = replace(TINY, **change)
    assert config.radius == math.inf
    network = awake(config)
    x, concat, t, numbers = inputs(config, 1, 64)
    far = x.clone()
    far[..., 60:, 60:] += 1
    difference = (network(far, concat, t, numbers) - network(x, concat, t, numbers)).abs()
    assert float(difference[..., :4, :4].max()) > 0
    finite = awake(TINY)
    unmoved = finite(far, concat, t, numbers) - finite(x, concat, t, numbers)
    assert not unmoved[..., :4, :4].any()


@pytest.mark.parametrize("config", [TINY, *FIELDS[1:3]], ids=lambda c: f"{c.factor}-{c.widths}")
def test_a_shift_by_the_stride_shifts_the_result(config: UNetConfig) -> None:
    network, stride = awake(config), config.stride
    margin = -(-int(config.radius) // stride) * stride
    side = 2 * margin + 4 * stride
    x, concat, t, numbers = inputs(config, 1, side + stride)
    whole = network(x, concat, t, numbers)
    moved = network(x[..., stride:, stride:], concat[..., stride:, stride:], t, numbers)
    inside = slice(margin, side - margin)
    torch.testing.assert_close(
        moved[..., inside, inside], whole[..., stride:, stride:][..., inside, inside]
    )
    off = network(
        x[..., 1:, 1:][..., :side, :side], concat[..., 1:, 1:][..., :side, :side], t, numbers
    )
    if stride > 1:  # by less than the stride it is another function
        shifted = whole[..., 1:, 1:][..., :side, :side]
        assert float((off - shifted)[..., inside, inside].abs().max()) > 1e-3


def test_one_row_of_numbers_folded_is_each_item_modulated() -> None:
    network = awake(TINY)
    x, concat, _, _ = inputs(TINY, 3, 16)
    t, numbers = torch.tensor([0.4]).double(), torch.tensor([[0.7]]).double()
    folded = network(x, concat, t, numbers)
    modulated = network(x, concat, t.expand(3), numbers.expand(3, 1))
    torch.testing.assert_close(folded, modulated, rtol=0, atol=1e-13)
    assert torch.equal(network(x, concat, t.expand(3), numbers), modulated)


def test_items_of_a_batch_see_their_own_time_and_numbers_only() -> None:
    network = awake(TINY)
    x, concat, t, numbers = inputs(TINY, 3, 16)
    together = network(x, concat, t, numbers)
    for item in range(3):
        one = slice(item, item + 1)
        alone = network(x[one], concat[one], t[one], numbers[one])
        torch.testing.assert_close(together[one], alone, rtol=0, atol=1e-13)
    assert float((network(x, concat, t, numbers + 0.1) - together).abs().max()) > 1e-4
    assert float((network(x, concat, t + 0.1, numbers) - together).abs().max()) > 1e-4


RANKED = replace(TINY, numbers=("a", "look"), rank=2)


def of_look(network: UNet, look: float) -> UNet:
    """A network without a rank whose weights are those of another at one look: W + look · B A."""
    plain = UNet(replace(network.config, rank=0)).double()
    state = network.state_dict()
    for name in [name for name in state if name.endswith(".widen")]:
        layer = name.removesuffix(".widen")
        narrow, widen = state.pop(f"{layer}.narrow"), state.pop(name)
        added = (widen @ narrow.flatten(1)).reshape(state[f"{layer}.weight"].shape)
        state[f"{layer}.weight"] = state[f"{layer}.weight"] + look * added
    plain.load_state_dict(state)
    return plain.requires_grad_(False)


@pytest.mark.parametrize("bias", [True, False])
def test_a_look_adds_to_the_weights(bias: bool) -> None:
    """One row for a batch (folded into the weights) and a row of each item's own, at several looks."""
    network = awake(replace(RANKED, bias=bias))
    x, concat, t, numbers = inputs(RANKED, 3, 16)
    numbers[:, 1] = torch.tensor([0.0, 1.0, 0.4], dtype=torch.float64)
    mixed = network(x, concat, t, numbers)
    for i, look in enumerate([0.0, 1.0, 0.4]):
        item = slice(i, i + 1)
        expected = of_look(network, look)(x[item], concat[item], t[item], numbers[item])
        folded = network(x[item], concat[item], t[item], numbers[item])
        torch.testing.assert_close(folded, expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(mixed[item], expected, rtol=0, atol=1e-12)
    shared = network(x, concat, t, numbers[1:2])  # times of their own, one look for all
    expected = of_look(network, 1.0)(x, concat, t, numbers[1:2])
    torch.testing.assert_close(shared, expected, rtol=0, atol=1e-12)


def test_without_a_look_the_weights_are_as_they_were() -> None:
    """Bit for bit, in float32 and bfloat16: what is trained for a look takes nothing from no look."""
    for dtype in (torch.float32, torch.bfloat16):
        network = awake(RANKED, dtype)
        x, concat, t, numbers = inputs(RANKED, 1, 16, dtype)
        numbers[:, 1] = 0
        result = network(x, concat, t, numbers)
        plain = of_look(network.double(), 0.0).to(dtype)
        assert torch.equal(result, plain(x, concat, t, numbers))


def test_a_rank_without_a_look_is_refused() -> None:
    with pytest.raises(UsageError, match='0, or more with the number "look"'):
        replace(TINY, rank=2)
    with pytest.raises(UsageError, match="a rank of -1; give 0, or more"):
        replace(RANKED, rank=-1)


def test_no_image_stands_for_zeros() -> None:
    network = awake(TINY)
    x, concat, t, numbers = inputs(TINY, 2, 16)
    expected = network(torch.zeros_like(x), concat, t, numbers)
    torch.testing.assert_close(network(None, concat, t, numbers), expected, rtol=0, atol=1e-13)


def test_gradients_are_right() -> None:
    config = UNetConfig(
        channels=1, concat=1, factor=1, widths=(2, 2), blocks=(1, 1), embedding=4,
        attention=(1,), norm_groups=2,
    )  # fmt: skip
    network = awake(config)
    x, concat, t, numbers = inputs(config, 2, 4)
    names = ["encoder.0.0.inner.weight", "middle.0.modulate.weight", "tail.bias", "up.0.weight"]
    fixed = dict(network.named_parameters())
    chosen = [fixed[name].clone().requires_grad_() for name in names]

    def function(image: Tensor, *weights: Tensor) -> Tensor:
        state = {**fixed, **dict(zip(names, weights, strict=True))}
        return torch.func.functional_call(network, state, (image, concat, t, numbers))

    assert torch.autograd.gradcheck(function, (x.clone().requires_grad_(), *chosen), fast_mode=True)


def test_with_and_without_gradients_it_computes_the_same() -> None:
    """The silent paths (in place, float32's own SiLU) against the recorded ones."""
    network = awake(TINY, torch.float32)
    arguments = inputs(TINY, 2, 16, torch.float32)
    silent = network(*arguments)
    recorded = network.requires_grad_(True)(*arguments).detach()
    torch.testing.assert_close(silent, recorded, rtol=0, atol=1e-5)
    one_row = (*arguments[:2], arguments[2][:1], arguments[3][:1])
    recorded = network(*one_row).detach()
    torch.testing.assert_close(network.requires_grad_(False)(*one_row), recorded, rtol=0, atol=1e-5)


def test_a_small_image_is_a_part_of_a_large_one_to_the_last_bit_in_float32() -> None:
    """torch convolves one small image by another kernel than a large one, which rounds otherwise."""
    config = UNetConfig(concat=0, factor=2, widths=(64, 128), blocks=(1, 1))
    network = awake(config, torch.float32).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    (image,) = images(1, 1, 3, 32, 1024, dtype=torch.float32)
    once, margin = (torch.ones(1), torch.zeros(1, 0)), math.ceil(config.radius)
    whole = network(image, None, *once)
    for width in range(64, 256, 4):
        part = network(image[..., :width], None, *once)
        assert torch.equal(part[..., : width - margin], whole[..., : width - margin]), width


def test_silu_far_out() -> None:
    from restorekit.engine.unet import _silu_

    x = torch.tensor([-200.0, -90.0, -20.0, -1.0, 0.0, 1.0, 90.0, 3e38])
    expected = x.double() / (1 + torch.exp(-x.double()))
    torch.testing.assert_close(_silu_(x.clone()).double(), expected, rtol=1e-6, atol=1e-30)


def test_an_untrained_network_says_nought() -> None:
    config = UNetConfig(widths=(8, 8), blocks=(1, 1), numbers=("scale",))
    x, concat, t, numbers = inputs(config, 2, 16, torch.float32)
    assert not UNet(config)(x, concat, t, numbers).any()


def test_inputs_are_left_alone() -> None:
    network = awake(TINY, torch.float32)
    arguments = inputs(TINY, 2, 16, torch.float32)
    copies = [a.clone() for a in arguments]
    network(*arguments)
    for used, kept in zip(arguments, copies, strict=True):
        assert torch.equal(used, kept)


def test_embedding_in_bfloat16_keeps_its_frequencies() -> None:
    """Phases reach 16 π · 3 = 151 radians: π in bfloat16 (3.140625) would turn them by .05."""
    embedding, seen = Embedding(2, 32), list[Tensor]()
    scalars = torch.tensor([[0.9, 2.0], [0.33, 1.0], [1.0, 3.0]])
    embedding.layers[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].float()))
    embedding(scalars)
    embedding.to(torch.bfloat16)(scalars)
    expected = []
    for scalar in scalars.double().T:
        phases = scalar[:, None] * math.pi * 2.0 ** torch.arange(5)
        expected += [scalar[:, None], phases.sin(), phases.cos()]
    features = torch.cat(expected, 1).float().sort(1).values  # in whichever order
    torch.testing.assert_close(seen[0].sort(1).values, features, rtol=0, atol=2e-5)
    torch.testing.assert_close(seen[1], seen[0], rtol=2**-8, atol=2**-9)


def test_space_to_depth_is_exact_and_keeps_cells_together() -> None:
    (image,) = images(1, 2, 3, 12, 8)
    for factor in (1, 2, 4):
        grid = codec.encode(image, factor)
        assert grid.shape == (2, 3 * factor**2, 12 // factor, 8 // factor)
        assert torch.equal(codec.decode(grid, factor), image)
        cell = image[:, :, factor : 2 * factor, :factor].flatten(1)
        assert torch.equal(grid[:, :, 1, 0], cell)


def test_configurations_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="2 widths but 1 block counts"):
        UNetConfig(widths=(4, 8), blocks=(1,))
    with pytest.raises(UsageError, match="are not multiples of 4"):
        UNetConfig(widths=(4, 6), blocks=(1, 1), norm_groups=4)
    with pytest.raises(TypeError, match="width"):
        UNetConfig.from_dict({"width": [4]})
    network, arguments = awake(TINY), inputs(TINY, 1, 18)
    with pytest.raises(UsageError, match="no multiple of the stride 4"):
        network(*arguments)


def test_a_record_rebuilds_the_configuration() -> None:
    import json

    config = replace(TINY, attention=(1,), norm_groups=2)
    assert UNetConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_parameters_are_named_as_the_shipped_weights_are() -> None:
    """Renaming one breaks every model file there is."""
    names = {name.rsplit(".", 1)[0] for name, _ in UNet(TINY).named_parameters()}
    block = {"inner", "outer", "modulate"}
    expected = {"embed.layers.0", "embed.layers.2", "head", "tail", "down.0", "up.0"}
    expected |= {f"{place}.{layer}" for place in ("encoder.0.0", "middle.0", "decoder.0.0")
                 for layer in block}  # fmt: skip
    assert names == expected
    assert isinstance(UNet(TINY).head, nn.Conv2d)


CELLS = replace(TINY, factor=4, further=(2, 3))


@pytest.mark.parametrize("side", [2, 3])
def test_other_cells_have_a_first_and_last_layer_of_their_own(side: int) -> None:
    """MDSR (Lim 2017): the same blocks between them, as a network of these cells alone computes it."""
    network = awake(CELLS)
    alone = UNet(replace(TINY, factor=side)).double()
    kept = network.state_dict()
    for layer in ("head", "tail"):
        for name in ("weight", "bias"):
            kept[f"{layer}.{name}"] = kept[f"{layer}s.{side}.{name}"]
    alone.load_state_dict({name: kept[name] for name in alone.state_dict()})
    given = inputs(CELLS, 2, 24)
    assert torch.equal(network(*given, cell=side), alone(*given))
    assert not torch.equal(network(*given, cell=side), network(*given))
    assert torch.equal(network(None, *given[1:], cell=side), alone(None, *given[1:]))


def test_cells_that_a_network_has_not_are_its_first() -> None:
    given = inputs(CELLS, 1, 24)
    network = awake(CELLS)
    assert all(torch.equal(network(*given, cell=cell), network(*given)) for cell in (0, 1, 4, 5))
    assert CELLS.on(5) is CELLS.on(4) is CELLS
    assert (CELLS.on(3).factor, set(CELLS.on(3).further)) == (3, {2, 4})
    assert (CELLS.on(3).stride, CELLS.on(2).radius) == (6, replace(TINY, factor=2).radius)
    with pytest.raises(UsageError, match="multiple of the stride 6"):
        network(*inputs(CELLS, 1, 16), cell=3)
    with pytest.raises(UsageError, match="factor, widths and embedding from 1"):
        replace(TINY, further=(0,))


def test_blocks_are_told_the_same_of_all_cells_at_first() -> None:
    """A picture enlarged by repeating its pixels is one picture to a new network, however large."""
    network = UNet(replace(CELLS, channels=3, concat=3)).double()
    (small,) = images(1, 2, 6, 9, 9)
    first = {4: network.head, **{int(side): head for side, head in network.heads.items()}}
    seen = [
        head(codec.encode(small.repeat_interleave(side, 2).repeat_interleave(side, 3), side))
        - head.bias[:, None, None]
        for side, head in first.items()
    ]
    for other in seen[1:]:
        torch.testing.assert_close(other, seen[0], rtol=0, atol=1e-5)
    assert float(seen[0].detach().std()) > 0.5
