"""The mathematics of denoise-render's hooks: transfer, exposure, albedo, repair, guides."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from outer_kit import REPOSITORY
from torch import Tensor

import restorekit as rk

sys.path.insert(0, str(REPOSITORY / "plugins" / "render"))

from restorekit_render import TASK, guides, restorekit_degrade, transfer
from restorekit_render.plan import condition, finish, plan

HEIGHT, WIDTH = 40, 56
WHOLE = rk.Box(0, 0, HEIGHT, WIDTH)


def random(seed: int, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def light(seed: int = 0) -> Tensor:
    """A render of a high range, with black in it, of surfaces with the albedo random(1)."""
    image = random(seed) ** 6 * 50 * random(1)
    image[..., :4, :4] = 0
    return image


def normals(seed: int = 2) -> Tensor:
    return F.normalize(random(seed) * 2 - 1, dim=1)


def planned(image: Tensor, albedo: Tensor | None = None, **options: Any) -> rk.Plan:
    inputs = {"image": image} if albedo is None else {"image": image, "albedo": albedo}
    return plan(inputs, TASK.check_options(options))


def test_the_transfer_is_undone() -> None:
    values = torch.cat([-torch.logspace(-4, 6, 40), torch.zeros(1), torch.logspace(-4, 6, 40)])
    back = transfer.decode(transfer.encode(values.double()))
    torch.testing.assert_close(back, values.double(), rtol=1e-9, atol=1e-12)


def test_the_transfer_has_its_fixed_points() -> None:
    values = transfer.encode(torch.tensor([0.0, 100.0, 1e4]))
    torch.testing.assert_close(values[:2], torch.tensor([-1.0, 1.0]))
    assert values[2] > 1  # nothing is cut off


def test_display_curves_are_each_others_inverse() -> None:
    values = torch.linspace(0, 1, 256)
    torch.testing.assert_close(transfer.to_display(transfer.from_display(values)), values)
    # 18 % grey is the value 118 of 255 of sRGB (IEC 61966-2-1).
    assert round(float(transfer.to_display(torch.tensor(0.18))) * 255) == 118


def test_exposure_brings_an_even_picture_to_middle_grey() -> None:
    even = torch.full((1, 3, 33, 50), 7.0)
    torch.testing.assert_close(
        transfer.exposure(even) * even[:, :1, :1, :1], torch.full((1, 1, 1, 1), 0.18)
    )


@pytest.mark.user("I5")
@pytest.mark.parametrize("factor", [1e-4, 0.01, 0.3, 100.0, 1e5])
def test_exposure_knows_no_unit(factor: float) -> None:
    before, after = (transfer.exposure(image) for image in (light(), light() * factor))
    torch.testing.assert_close(after * factor, before, rtol=1e-5, atol=0)


def test_the_largest_floats_have_an_exposure() -> None:
    """Some programs fill what they did not render with the largest number there is."""
    image = light()
    image[..., :20, :20] = torch.finfo(torch.float32).max
    assert 0 < float(transfer.exposure(image)) < math.inf


def test_black_pictures_are_left_as_they_are() -> None:
    made = planned(torch.zeros(1, 3, HEIGHT, WIDTH))
    assert (condition(made, WHOLE).source == -1).all()
    assert (finish(made, WHOLE, condition(made, WHOLE).source) == 0).all()


@pytest.mark.user("I5")
@pytest.mark.parametrize("factor", [0.01, 0.5, 100.0])
def test_the_result_scales_with_the_light(factor: float) -> None:
    """f(k x) = k f(x) for any network between: what it is given is the same, what it gives scales."""

    def restored(image: Tensor) -> Tensor:
        made = planned(image, random(1))
        given = condition(made, WHOLE)
        answer = given.source + 0.1 * given.concat[:, :3].sin()  # type: ignore[index]
        return finish(made, WHOLE, answer)

    once, scaled = restored(light()), restored(light() * factor)
    assert float(((scaled / factor - once).abs() / (once.abs() + 1e-4)).max()) < 0.01


@pytest.mark.user("I5")
def test_grey_in_gives_grey_out() -> None:
    grey = light()[:, :1].expand(-1, 3, -1, -1)
    given = condition(planned(grey), WHOLE)
    out = finish(planned(grey), WHOLE, given.source)
    assert torch.equal(out[:, 0], out[:, 1])
    assert torch.equal(out[:, 0], out[:, 2])


@pytest.mark.parametrize("guided", [False, True])
def test_a_network_that_changes_nothing_changes_nothing(guided: bool) -> None:
    made = planned(light(), random(1) if guided else None)
    out = finish(made, WHOLE, condition(made, WHOLE).source)
    torch.testing.assert_close(out, light(), rtol=1e-4, atol=1e-4)


def test_a_window_is_the_crop_of_the_whole() -> None:
    made = plan(
        {"image": light(), "albedo": random(1), "normal": normals()}, TASK.check_options({})
    )
    box = rk.Box(3, 7, 20, 31)
    part, whole = condition(made, box), condition(made, WHOLE)
    assert torch.equal(part.source, whole.source[(..., *box.slices())])
    assert torch.equal(part.concat, whole.concat[(..., *box.slices())])  # type: ignore[index,arg-type]
    answer = light(5)
    assert torch.equal(
        finish(made, box, answer[(..., *box.slices())]),
        finish(made, WHOLE, answer)[(..., *box.slices())],
    )


def test_what_is_not_given_is_nought_and_said_so() -> None:
    given = condition(planned(light(), random(1)), WHOLE)
    assert given.numbers == {"albedo": 1.0, "normal": 0.0}
    assert given.concat is not None
    assert given.concat.shape == (1, 9, HEIGHT, WIDTH)
    assert not given.concat[:, 6:].any()
    assert torch.equal(given.concat[:, 3:6], transfer.shown(transfer.divisor(random(1))))


def test_texture_is_divided_out() -> None:
    """Even light on a textured wall is even in what the network sees, but where the wall is black."""
    albedo = 0.1 + 0.9 * random(1)
    source = condition(planned(3 * albedo, albedo), WHOLE).source
    torch.testing.assert_close(source, source[:, :, :1, :1].expand_as(source), rtol=0, atol=1e-5)


def test_a_sky_is_not_divided() -> None:
    assert (transfer.divisor(torch.zeros(1, 3, 2, 2)) == 1).all()
    assert transfer.divisor(random(1)).min() >= 0.05


def test_a_wrong_divisor_is_undone_by_adding() -> None:
    """As the network sees log d, it need only add to turn L/d', d' noisy, into L/d of bright light."""
    light, right = (torch.full((1, 3, HEIGHT, WIDTH), value) for value in (80.0, 0.5))
    noisy = (right * (1 + 0.3 * (random(2) - 0.5))).clamp(0.05, 1)
    sources = [transfer.encode(light / d) for d in (right, noisy)]
    change = transfer.shown(right) - transfer.shown(noisy)
    slope = float((sources[1] - sources[0]).flatten() @ change.flatten() / change.square().sum())
    torch.testing.assert_close(sources[1] - sources[0], slope * change, rtol=0, atol=1e-3)
    assert float(transfer.shown(torch.tensor(0.05))) == pytest.approx(-1)
    assert float(transfer.shown(torch.tensor(1.0))) == 1


@pytest.mark.user("I3")
@pytest.mark.parametrize("wrong", [float("inf"), -float("inf"), float("nan")])
def test_one_broken_pixel_is_mended_from_its_neighbours(wrong: float) -> None:
    image = light()
    image[0, 1, 9, 11] = wrong
    mended, count = guides.repaired(image)
    assert count == 1
    neighbours = light()[0, :, 8:11, 10:13].clone()
    neighbours[:, 1, 1] = 0
    torch.testing.assert_close(mended[0, :, 9, 11], neighbours.sum((1, 2)) / 8)
    mended[0, :, 9, 11] = light()[0, :, 9, 11]
    assert torch.equal(mended, light())
    assert planned(image).note["repaired"] == 1


def test_a_hole_of_broken_pixels_is_mended() -> None:
    image = torch.full((1, 3, HEIGHT, WIDTH), 2.0)
    image[..., 5:30, 5:40] = torch.nan
    mended, count = guides.repaired(image)
    assert count == 25 * 35
    torch.testing.assert_close(mended, torch.full_like(image, 2.0))


def test_a_picture_without_a_number_becomes_black() -> None:
    mended, count = guides.repaired(torch.full((1, 3, 4, 4), torch.nan))
    assert count == 16
    assert not mended.any()


@pytest.mark.user("I4")
def test_normals_stored_as_colours_are_decoded() -> None:
    decoded, said = guides.checked_normal((normals() + 1) / 2)
    torch.testing.assert_close(decoded, normals())
    assert "decoded" in said
    for right in (normals(), torch.zeros(1, 3, 4, 4)):
        same, said = guides.checked_normal(right)
        assert torch.equal(same, right)
        assert not said


@pytest.mark.user("I4")
def test_albedo_above_one_is_cut_off_and_told() -> None:
    made = planned(light(), random(1) * 2)
    assert "was cut off" in str(made.note["albedo"])
    assert "albedo" not in planned(light(), random(1)).note


@pytest.mark.user("I4")
def test_albedo_below_nought_is_cut_off_and_told() -> None:
    cut, said = guides.checked_albedo(random(1) * 3 - 1)
    assert torch.equal(cut, (random(1) * 3 - 1).clamp(0, 1))
    assert "above 1" in said
    assert "albedo below 0 in" in said
    assert guides.checked_albedo(random(1) - 0.5)[1].startswith("albedo below 0")


def shaded(albedo: Tensor, seed: int) -> Tensor:
    """A noisy render of one sample a pixel: albedo times smooth light times exponential noise."""
    rows = torch.linspace(0.2, 3, albedo.shape[-2])[:, None]
    noise = torch.empty(1, 1, *albedo.shape[-2:]).exponential_(
        generator=torch.Generator().manual_seed(seed)
    )
    return albedo * rows * noise


def patches(seed: int) -> Tensor:
    """An albedo (1, 3, 256, 256) of squares of 16 pixels."""
    colours = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(0.1 + 0.8 * colours, scale_factor=16)


@pytest.mark.user("I4")
@pytest.mark.parametrize("seed", range(5))
def test_the_albedo_of_another_picture_is_as_good_as_none(seed: int) -> None:
    """With the right albedo the source is smoother; with a wrong one it is what it is without any."""
    image, whole = shaded(patches(seed), seed), rk.Box(0, 0, 256, 256)
    options = TASK.check_options({})
    normal = F.normalize(patches(seed + 50) - 0.5, dim=1)
    bare = condition(plan({"image": image}, options), whole)
    right = condition(plan({"image": image, "albedo": patches(seed)}, options), whole)
    wrong = plan({"image": image, "albedo": patches(seed + 100), "normal": normal}, options)
    found = condition(wrong, whole)
    assert torch.equal(found.source, bare.source)
    assert torch.equal(found.concat, bare.concat)  # type: ignore[arg-type]
    assert found.numbers == {"albedo": 0.0, "normal": 0.0}
    assert "not of this picture" in str(wrong.note["albedo"])
    assert right.numbers["albedo"] == 1
    assert float(right.source.std()) < float(bare.source.std())


@pytest.mark.user("I4")
@pytest.mark.parametrize("seed", range(5))
def test_an_albedo_under_gloss_is_told_by_its_edges(seed: int) -> None:
    """Reflections of other things outweigh it eight times: what changes alike is at its edges."""
    right, other = (transfer.divisor(patches(seed + k)) for k in (0, 100))
    image = shaded(right + 8 * F.avg_pool2d(patches(seed + 50), 31, 1, 15), seed)
    assert guides.belongs(right, image)
    assert not guides.belongs(other, image)


def test_any_albedo_fits_a_black_frame() -> None:
    black = torch.zeros(1, 3, 256, 256)
    assert guides.belongs(transfer.divisor(patches(0)), black)
    assert "albedo" not in planned(black, patches(0)).note


@pytest.mark.parametrize("even", [0.0, 0.4, 1.0])
def test_an_even_albedo_fits_every_picture(even: float) -> None:
    image = shaded(patches(0), 0)
    assert guides.belongs(transfer.divisor(torch.full_like(image, even)), image)


def test_passes_of_another_size_are_refused() -> None:
    with pytest.raises(rk.UsageError, match="albedo is 5 x 4 pixels and the picture 56 x 40"):
        planned(light(), torch.zeros(1, 3, 4, 5))


@pytest.mark.parametrize("given", ["bright", "0", "-1", "nan", "inf"])
def test_a_scale_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(rk.UsageError, match="--input-scale"):
        planned(light(), input_scale=given)


def test_a_given_scale_is_used() -> None:
    source = condition(planned(light(), input_scale="2.5"), WHOLE).source
    torch.testing.assert_close(source, transfer.encode(light() * 2.5))


def test_display_coded_pictures_stay_in_their_range() -> None:
    picture = random(4)
    made = planned(picture, ldr=True)
    torch.testing.assert_close(
        finish(made, WHOLE, condition(made, WHOLE).source), picture, rtol=1e-3, atol=1e-4
    )
    assert finish(made, WHOLE, torch.full_like(picture, 3.0)).max() <= 1


@pytest.mark.parametrize("prefilter", guides.PREFILTERS)
def test_a_prefilter_takes_noise_and_leaves_edges(prefilter: str) -> None:
    clean = torch.zeros(1, 3, HEIGHT, WIDTH)
    clean[..., WIDTH // 2 :] = 1
    noisy = clean + 0.05 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    smooth = guides.prefiltered(noisy, guides.PREFILTERS[prefilter])
    before, after = ((image - clean).square().mean().sqrt() for image in (noisy, smooth))
    assert after < before * {"fast": 0.6, "accurate": 0.35}[prefilter]


def test_clean_guides_are_not_prefiltered() -> None:
    albedo = random(1)
    options = {"prefilter": "fast", "clean_aux": True}
    clean = condition(planned(light(), albedo, **options), WHOLE).concat
    raw = condition(planned(light(), albedo), WHOLE).concat
    smooth = condition(planned(light(), albedo, prefilter="fast"), WHOLE).concat
    assert torch.equal(clean, raw)  # type: ignore[arg-type]
    assert not torch.equal(smooth, raw)  # type: ignore[arg-type]


@pytest.mark.parametrize("top", [1.2, 80.0])
def test_light_is_no_display_coded_picture(top: float) -> None:
    with pytest.raises(rk.UsageError, match=f"reaches {top:.4g}: it is light, so leave --ldr out"):
        planned(random(4) / random(4).max() * top, ldr=True)
    planned(random(4) * 1.09, ldr=True)  # a filter's ringing


@pytest.mark.parametrize("guided", [False, True])
def test_a_render_of_light_stays_light(guided: bool) -> None:
    """Whatever a network gives; and an estimate below black is still pulled up in training."""
    made = planned(light(), random(1) if guided else None)
    answer = (condition(made, WHOLE).source - 2 * random(3)).requires_grad_()
    out = finish(made, WHOLE, answer)
    dark = answer.detach() < -1
    assert dark.any()
    assert bool((out[dark] == 0).all())
    assert bool((out >= 0).all())
    out.sum().backward()
    assert answer.grad is not None
    assert bool((answer.grad > 0).all())


def test_light_below_nought_goes_no_further() -> None:
    image = light() - 0.5
    made = planned(image)
    source = condition(made, WHOLE).source
    torch.testing.assert_close(finish(made, WHOLE, source), image, rtol=1e-4, atol=1e-4)
    out = finish(made, WHOLE, source - 2 * random(3))
    assert bool((out >= image.clamp(max=0) - 1e-4).all())


def degraded(clean: Tensor, samples: int, seed: int = 0, **options: Any) -> Tensor:
    chosen = TASK.check_degradation(None, {"samples": samples})
    return restorekit_degrade(clean, {**TASK.check_options(options), **chosen}, seed)["image"]


@pytest.mark.parametrize("samples", [1, 16])
def test_few_paths_find_the_light_on_average(samples: int) -> None:
    clean = torch.zeros(1, 3, 100, 100)  # light of 1/2
    noisy = (degraded(clean, samples) + 1) / 2
    assert torch.equal(noisy[:, 0], noisy[:, 1])
    assert float(noisy.mean()) == pytest.approx(0.5, rel=0.05 / samples**0.5)
    assert float(noisy.std()) == pytest.approx(0.5 / samples**0.5, rel=0.05)
    assert torch.equal(noisy, (degraded(clean, samples) + 1) / 2)
    assert not torch.equal(noisy, (degraded(clean, samples, seed=1) + 1) / 2)


def test_few_paths_to_a_display_are_noise_of_its_light() -> None:
    clean = torch.zeros(1, 3, 100, 100)  # the display's 1/2
    coded = (degraded(clean, 400, ldr=True) + 1) / 2
    assert coded.max() <= 1
    wanted = float(transfer.from_display(torch.tensor(0.5)))
    assert float(transfer.from_display(coded).mean()) == pytest.approx(wanted, rel=0.01)


def test_half_of_the_range_of_a_file_survives() -> None:
    """Values of half precision, from the smallest normal one to the largest, in one picture."""
    values = np.geomspace(6.2e-5, 65504, 3 * HEIGHT * WIDTH).astype(np.float32)
    image = torch.from_numpy(values.reshape(1, 3, HEIGHT, WIDTH))
    made = planned(image, input_scale="1")
    out = finish(made, WHOLE, condition(made, WHOLE).source)
    # The transfer is in float32 around −1 … 3: an error of 2e-7 in it is 3e-8 of white, or 1e-6.
    torch.testing.assert_close(out, image, rtol=2e-5, atol=1e-7)
