"""The kernels compiled ahead: a library in a wheel, which Python calls in place of Numba's code.

`table`
    The functions that Python calls, and for which arrays.
`library`
    Whether there is a library for this process, and how to reach what is in it.
`functions`
    Those functions, as `numbanorm.calls` calls them.
`objects`, `building`
    What makes the library, by Numba, LLVM and a C compiler.
`backend`
    What `python -m build -C kernels=prebuilt` asks for a wheel.
"""
