"""What can be wrong with a call: every status of the C functions, and the words for it.

Values never change and are never used again; new ones are appended before the next free one.
Python's messages about the same things are made of the same words.
"""

from enum import IntEnum


class Status(IntEnum):
    """What a C function returns; 0 is success."""

    OK = 0
    NULL = 1
    SIZE = 2
    LAYOUT = 3
    EPS = 4
    MOMENTUM = 5
    CORRECTION = 6
    GROUPS = 7
    ONE_VALUE = 8
    ALIGNMENT = 9
    OVERLAP = 10
    MEMORY = 11
    CPU = 12
    SCALE = 13


RULES = {
    Status.OK: "success",
    Status.NULL: "a pointer that is not optional must not be NULL",
    Status.SIZE: "sizes must not be negative, nor the array larger than memory can be",
    Status.LAYOUT: "layout must be 'NCHW' or 'NHWC'",
    Status.EPS: "eps must be finite and not negative",
    Status.MOMENTUM: "momentum must be finite",
    Status.CORRECTION: "correction must be finite and less than the values of a channel",
    Status.GROUPS: "num_groups must be 1 or more and divide the channels",
    Status.ONE_VALUE: "x must have more than 1 value per statistic",
    Status.ALIGNMENT: "pointers must be aligned to their type",
    Status.OVERLAP: "results must not overlap other arguments, but for y on x, and dx on dy or x",
    Status.MEMORY: "there must be memory to work in",
    Status.CPU: "the processor must have AVX2, FMA and BMI (x86-64-v3)",
    Status.SCALE: "mean, std and max_value must be finite, std and max_value not 0",
}

# What compiled code returns.
OK, MEMORY = int(Status.OK), int(Status.MEMORY)
