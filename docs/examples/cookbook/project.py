"""Take colour noise out: brightness is trusted, so each estimate is projected onto it."""

import restorekit as rk

TASK = rk.Task("colour-noise", "Take colour noise out, and keep the brightness", model="denoise")


@rk.hookimpl
def restorekit_task():
    return TASK


@rk.hookimpl
def restorekit_prepare(inputs):
    image = inputs["image"]
    return rk.Plan(tuple(image.shape[-2:]), state=image)


@rk.hookimpl
def restorekit_condition(plan, box):
    rows, columns = box.slices()
    noisy = plan.state[..., rows, columns]
    return rk.Condition(noisy, concat=noisy)


@rk.hookimpl
def restorekit_correct(plan, box, x0_hat):
    rows, columns = box.slices()
    measured = plan.state[..., rows, columns].to(x0_hat.device).mean(1, keepdim=True)
    return x0_hat + (measured - x0_hat.mean(1, keepdim=True))  # the nearest of that brightness
