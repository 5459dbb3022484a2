"""Denoise coarse grain: first the picture at half its size, then what that leaves at its own."""

import restorekit as rk

TASK = rk.Task("coarse-grain", "Denoise coarse grain", model="denoise")


@rk.hookimpl
def restorekit_task():
    return TASK


@rk.hookimpl
def restorekit_prepare(inputs, options):
    image = inputs["image"]
    size = tuple(image.shape[-2:])
    if options.get("half") or min(size) < 2:
        return rk.Plan(size, state=image)
    half = rk.reduce(image, (-(-size[0] // 2), -(-size[1] // 2)))
    if "stage" not in inputs:
        return rk.Stage({"image": half}, {**options, "half": True})
    grain = rk.resample(half - inputs["stage"], size, rk.Box(0, 0, *size))
    return rk.Plan(size, state=image - grain)


@rk.hookimpl
def restorekit_condition(plan, box):
    rows, columns = box.slices()
    noisy = plan.state[..., rows, columns]
    return rk.Condition(noisy, concat=noisy)
