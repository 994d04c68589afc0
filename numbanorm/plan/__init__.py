"""What a norm makes of x's memory, and how the work on it is cut: integers and tuples only.

A module imports those before it only:

`tuning`
    Every number that was chosen by measurement, or should have been.
`view`
    `View`: a norm and a layout as five sizes; all that kernels know of either.
`tiles`, `slabs`
    How work along memory and across it is cut.
`routes`
    Which loops work on a view, and on how many threads.
`plan`
    `Plan`: what Python's calls need to know about x's shape, its views among it.

All but `plan` are compiled too, by `numbanorm.kernels.tiles`, for C and Numba: they are plain
functions of integers, to which the constants they read are frozen.
"""
