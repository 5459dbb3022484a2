"""Take JPEG's blocks out of photographs."""

from pathlib import Path

import restorekit as rk

SAVED_AT = rk.Option("jpeg_quality", float, 30.0, "Their JPEG quality.", minimum=5, maximum=70)
TASK = rk.Task("dejpeg", "Take JPEG's blocks out of photographs", (SAVED_AT,), model="dejpeg")


@rk.hookimpl
def restorekit_task():
    return TASK


@rk.hookimpl
def restorekit_models():
    return {"dejpeg": Path(__file__).with_name("dejpeg.safetensors")}


@rk.hookimpl
def restorekit_prepare(inputs, options):
    image = inputs["image"]
    numbers = {"quality": options["jpeg_quality"] / 100}
    return rk.Plan(tuple(image.shape[-2:]), state=(image, numbers))


@rk.hookimpl
def restorekit_condition(plan, box):
    image, numbers = plan.state
    rows, columns = box.slices()
    window = image[..., rows, columns]
    return rk.Condition(window, concat=window, numbers=numbers)


@rk.hookimpl
def restorekit_degrade(clean, options):
    return {"image": rk.jpeg(clean, clean.new_full((len(clean),), options["jpeg_quality"]))}
