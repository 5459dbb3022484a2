"""LPIPS: published values, the original package, gradients, and the search for weights."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from metric_pictures import photo, random_pair
from safetensors.torch import save_file

from restorekit.errors import UsageError
from restorekit.metrics import LPIPS, lpips_distance

NETS = ["alex", "squeeze"]


@pytest.mark.usefixtures("lpips_weights")
@pytest.mark.parametrize(
    ("seed", "published"), [(123, 0.1008), (42, 0.1005)], ids=["torchmetrics", "a port of it"]
)
def test_published_squeeze_value(seed: int, published: float) -> None:
    a, b = random_pair(seed, 10, 3, 100, 100)
    assert LPIPS("squeeze")(a, b).mean().item() == pytest.approx(published, abs=6e-5)


@pytest.mark.usefixtures("lpips_weights")
@pytest.mark.parametrize(("net", "expected"), [("alex", 0.1486), ("squeeze", 0.1008)])
def test_stored_values(net: str, expected: float) -> None:
    """The value for alex is `lpips_ref.py`'s, which gives the authors' .722 and .138."""
    a, b = random_pair(123, 10, 3, 100, 100)
    assert LPIPS(net)(a, b).mean().item() == pytest.approx(expected, abs=6e-5)


@pytest.fixture
def original(monkeypatch: pytest.MonkeyPatch):
    """The `lpips` package on our trunks, without the torchvision that it imports."""
    pytest.importorskip("scipy")
    torchvision, models = ModuleType("torchvision"), ModuleType("torchvision.models")
    for net, name in (("alex", "alexnet"), ("squeeze", "squeezenet1_1"), ("vgg", "vgg16")):
        make = lambda net=net, **_: SimpleNamespace(features=LPIPS(net).features)  # noqa: E731
        setattr(models, name, make)
    torchvision.models = models  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", torchvision)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    for name in [name for name in sys.modules if name.partition(".")[0] == "lpips"]:
        monkeypatch.delitem(sys.modules, name)
    before = set(sys.modules)
    yield pytest.importorskip("lpips")
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "lpips":
            del sys.modules[name]


@pytest.mark.user("K1")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("lpips_weights")
@pytest.mark.parametrize("net", NETS)
def test_equal_to_the_lpips_package(original, net: str) -> None:
    """Its taps, normalisation and own heads; the trunks' weights are ours in both."""
    theirs = original.LPIPS(net=net, verbose=False)
    for shape in ((3, 3, 64, 64), (1, 3, 97, 131)):
        a, b = random_pair(7, *shape)
        with torch.no_grad():
            assert LPIPS(net)(a, b).numpy() == pytest.approx(
                theirs(a, b).flatten().numpy(), abs=1e-6
            )


@pytest.mark.usefixtures("lpips_weights")
@pytest.mark.parametrize("net", NETS)
def test_numpy_pictures_of_any_kind_agree(net: str) -> None:
    a, b = photo(seed=1), photo(seed=2)
    tensors = (torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1 for image in (a, b))
    expected = LPIPS(net)(*tensors).item()
    assert lpips_distance(a, b, net) == pytest.approx(expected, abs=1e-6)
    assert lpips_distance(a / 255, (b / 255).astype(np.float32), net) == pytest.approx(
        expected, abs=1e-5
    )
    grey = [np.stack([image[..., 0]] * 3, -1) for image in (a, b)]
    assert lpips_distance(a[..., 0], b[..., 0], net) == lpips_distance(*grey, net)


@pytest.mark.usefixtures("lpips_weights")
@pytest.mark.parametrize("net", NETS)
def test_a_distance(net: str) -> None:
    network = LPIPS(net)
    a, b = random_pair(1, 4, 3, 48, 48)
    forth, back = network(a, b), network(b, a)
    assert forth.shape == (4,)
    assert (forth > 0).all()
    assert forth.numpy() == pytest.approx(back.numpy(), abs=1e-7)
    assert (network(a, a) == 0).all()
    alone = torch.cat([network(a[i : i + 1], b[i : i + 1]) for i in range(4)])
    assert alone.numpy() == pytest.approx(forth.numpy(), abs=1e-6)


@pytest.mark.usefixtures("lpips_weights")
@pytest.mark.parametrize("net", NETS)
def test_gradients_flow_and_lead_down(net: str) -> None:
    network = LPIPS(net)
    assert not any(p.requires_grad for p in network.parameters())
    a, b = random_pair(2, 2, 3, 48, 48)
    a.requires_grad_()
    distance = network(a, b).sum()
    distance.backward()
    assert a.grad is not None
    assert a.grad.abs().sum() > 0
    step = 0.05 * distance.detach() / a.grad.square().sum()
    assert network(a.detach() - step * a.grad, b).sum() < distance


@pytest.mark.usefixtures("lpips_weights")
@pytest.mark.parametrize("net", NETS)
def test_gradient_is_the_difference_quotient(net: str) -> None:
    network = LPIPS(net).double()
    a, b = (image.double() for image in random_pair(4, 1, 3, 40, 40))
    direction = random_pair(5, 1, 3, 40, 40)[0].double()
    a.requires_grad_()
    (slope,) = torch.autograd.grad(network(a, b).sum(), a)
    with torch.no_grad():
        quotient = (network(a + 1e-6 * direction, b) - network(a - 1e-6 * direction, b)) / 2e-6
    assert (slope * direction).sum().item() == pytest.approx(quotient.item(), rel=1e-4)


@pytest.mark.usefixtures("lpips_weights")
@pytest.mark.parametrize("net", NETS)
def test_gradients_are_finite_where_features_vanish(net: str) -> None:
    """sqrt of a zero sum, as the original has it, would give nan."""
    network = LPIPS(net)
    with torch.no_grad():
        for parameter in network.features.parameters():
            parameter.mul_(0)
    a = torch.zeros(1, 3, 48, 48, requires_grad=True)
    network(a, torch.ones(1, 3, 48, 48)).sum().backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


@pytest.mark.usefixtures("lpips_weights")
def test_half_precision_trunks_keep_the_distance() -> None:
    network = LPIPS("squeeze")
    a, b = random_pair(6, 2, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(a, b)
    assert rough.dtype == torch.float32
    assert rough.numpy() == pytest.approx(network(a, b).numpy(), rel=0.03)


@pytest.mark.user("K1")
@pytest.mark.usefixtures("lpips_weights")
def test_wrong_tensors_are_refused() -> None:
    network = LPIPS("alex")
    for a, b in (((1, 3, 64, 64), (1, 3, 64, 65)), ((1, 1, 64, 64),) * 2, ((3, 64, 64),) * 2):
        with pytest.raises(UsageError, match="give two tensors"):
            network(torch.zeros(a), torch.zeros(b))
    assert network(torch.zeros(1, 3, 31, 31), torch.zeros(1, 3, 31, 31)) == 0
    with pytest.raises(UsageError, match="needs 31 pixels a side, but the images are 40x30"):
        network(torch.zeros(1, 3, 30, 40), torch.zeros(1, 3, 30, 40))
    squeeze = LPIPS("squeeze")
    assert squeeze(torch.zeros(1, 3, 17, 17), torch.zeros(1, 3, 17, 17)) == 0
    with pytest.raises(UsageError, match="net is 'resnet'; give one of alex, squeeze, vgg"):
        LPIPS("resnet")  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore")
def test_vgg_equals_the_lpips_package_on_any_trunk(
    original, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package's own heads on a random trunk: half a gigabyte of ImageNet's is in no test."""
    from restorekit.metrics.lpips import _vgg16

    monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(tmp_path))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trunk = _vgg16().layers.state_dict()
    heads = Path(original.__file__).parent / "weights" / "v0.1" / "vgg.pth"
    save_file(trunk, tmp_path / "vgg16_features.safetensors")
    save_file(
        torch.load(heads, map_location="cpu", weights_only=True), tmp_path / "lin_vgg.safetensors"
    )
    a, b = random_pair(7, 2, 3, 40, 56)
    with torch.no_grad():
        theirs = original.LPIPS(net="vgg", verbose=False)(a, b).flatten()
        assert theirs.min() > 0
        assert LPIPS("vgg")(a, b).numpy() == pytest.approx(theirs.numpy(), rel=1e-5)
