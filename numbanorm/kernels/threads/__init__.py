"""The threads that kernels run in, and how Python and C come to call them."""
