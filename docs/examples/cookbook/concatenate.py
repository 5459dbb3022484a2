"""Enlarge by two: the small picture, resampled, beside what the network starts from."""

import restorekit as rk

TASK = rk.Task("enlarge", "Enlarge by two", model="upscale", looks=("faithful", "sharp"))


@rk.hookimpl
def restorekit_task():
    return TASK


@rk.hookimpl
def restorekit_prepare(inputs):
    image = inputs["image"]
    size = (2 * image.shape[-2], 2 * image.shape[-1])
    return rk.Plan(size, state=image, cell=2)  # the upscaler's layers for pictures twice as large


@rk.hookimpl
def restorekit_condition(plan, box):
    large = rk.resample(plan.state, plan.size, box)
    known = rk.Condition(large, numbers={"scale": 1.0, "noise": 0.0})  # scale: its logarithm to 2
    return rk.concatenate(known, large)
