"""The threads that large arrays are worked on with, as Python sees them.

`quota`
    How many processors a container may use.
`counts`
    How many threads work, and whose word says so.
`workers`
    What starts them, ends them before a fork, and launches an operation.

The threads themselves are `numbanorm.kernels.threads`.
"""
