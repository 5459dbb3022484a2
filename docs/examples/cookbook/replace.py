"""Denoise what is dark; what is light is known, and stays to the last bit."""

import restorekit as rk

BELOW = rk.Option("below", float, 0.5, "Brightness below which it denoises.", minimum=0, maximum=1)
TASK = rk.Task("denoise-dark", "Denoise what is dark", (BELOW,), model="denoise")


@rk.hookimpl
def restorekit_task():
    return TASK


@rk.hookimpl
def restorekit_prepare(inputs, options):
    image = inputs["image"]
    light = image.mean(1, keepdim=True) >= 2 * options["below"] - 1
    return rk.Plan(tuple(image.shape[-2:]), state=(image, light.float()))


@rk.hookimpl
def restorekit_condition(plan, box):
    rows, columns = box.slices()
    noisy, light = (image[..., rows, columns] for image in plan.state)
    return rk.replace(rk.Condition(noisy, concat=noisy), noisy, light)
