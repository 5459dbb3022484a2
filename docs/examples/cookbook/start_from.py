"""Enlarge by two with a lighter hand: the path starts nearer to its end, from the source."""

import restorekit as rk

TIME = rk.Option(
    "time", float, 0.5, "Where it starts; 1 is the whole path.", minimum=0.1, maximum=1
)
TASK = rk.Task("enlarge-lightly", "Enlarge by two, lightly", (TIME,), model="upscale")


@rk.hookimpl
def restorekit_task():
    return TASK


@rk.hookimpl
def restorekit_prepare(inputs, options):
    image = inputs["image"]
    size = (2 * image.shape[-2], 2 * image.shape[-1])
    return rk.Plan(size, state=(image, options["time"]), cell=2)  # layers for twice as large


@rk.hookimpl
def restorekit_condition(plan, box):
    image, time = plan.state
    large = rk.resample(image, plan.size, box)
    known = rk.Condition(large, concat=large, numbers={"scale": 1.0, "noise": 0.0})
    return rk.start_from(known, time)
