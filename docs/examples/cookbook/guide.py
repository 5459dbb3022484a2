"""Denoise, and leave some grain: each estimate is led back towards the picture it came from."""

import restorekit as rk

GRAIN = rk.Option("grain", float, 0.3, "Share of the noise that stays.", minimum=0, maximum=1)
TASK = rk.Task("keep-grain", "Denoise, and leave some grain", (GRAIN,), model="denoise")


@rk.hookimpl
def restorekit_task():
    return TASK


@rk.hookimpl
def restorekit_prepare(inputs, options):
    image = inputs["image"]
    return rk.Plan(tuple(image.shape[-2:]), state=(image, options["grain"]))


@rk.hookimpl
def restorekit_condition(plan, box):
    rows, columns = box.slices()
    noisy = plan.state[0][..., rows, columns]
    return rk.Condition(noisy, concat=noisy)


@rk.hookimpl
def restorekit_correct(plan, box, x0_hat):
    image, grain = plan.state
    rows, columns = box.slices()
    return x0_hat + grain * (image[..., rows, columns].to(x0_hat.device) - x0_hat)
