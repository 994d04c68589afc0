"""What the public functions and the layers have in common: from arguments to compiled operations.

A module imports those before it only:

`given`, `memory`
    What users give, as plain arrays; what NumPy leaves unsaid about an array's memory.
`checks`
    Every rule about arguments, and every message about a broken one.
`shapes`, `order`
    x's shape, checked, and the plan made of it; in which order its axes lie in memory.
`lookup`, `operations`
    The compiled operations: imported when first needed, and called on flat arrays and a view.
`statistics`, `places`, `images`
    Statistics alone, exact where x is of integers; where images are; images, by given numbers or
    their own.
`call`, `backward_call`
    `Call` and `BackwardCall`: all of a call, checked and in the memory that kernels take.
`running`
    Moving running statistics.
`norms`
    What each norm does, forward and backward. Functions and layers call these.
"""
