"""Of what a summary of channels consists: see `numbanorm.kernels.operations.summaries`."""

# A sum of integers is two: that of so many low bits, and the rest.
LOW_BITS = 32
LOW = (1 << LOW_BITS) - 1

# Rows of its float64s: of floats the mean, what that lacks, and the sum of squared deviations; the
# extremes of all.
ROWS = 5
MEAN, REST, DEVIATIONS, LEAST, GREATEST = range(ROWS)

# The largest count.
MOST = 2**63 - 1
