"""Serial loops on one tile of memory; they allocate nothing and cannot raise."""
