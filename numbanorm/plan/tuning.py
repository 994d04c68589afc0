"""Every number that was chosen by measurement, or should have been: value, reason, provenance.

A comment ends with what was measured, where and when. "Unmeasured" means that no figure is
recorded: the number is reasoned, or was the best of a few that were tried by somebody who kept no
notes. A date without a machine is that of the commit that brought the figure.

What says "bits" shapes a sum: another value gives other last bits, and `tests/bits.json` with them.
What says "kernels" is of no use elsewhere.
"""

# Fewer elements are worked on in the calling thread. A launch costs as much as 10,000 when threads
# are still awake from the last one, and as 200,000 and more when they sleep: Linux may wake a
# thread on the core of its waker, and leave the two there for milliseconds.
# Measured: those two costs, 2026-11-23, machine not noted; the value itself is unmeasured.
PARALLEL_ELEMENTS = 1 << 17

# No more threads than this work on one array: the counters stand on the stack.
# Unmeasured: 256 counters take 16 kB.
MAX_WORKERS = 256

# Each worker's counter of work taken has a cache line of its own: so many int64s. Kernels.
# Unmeasured: 64 bytes are a line of x86-64.
SPACING = 8

# Elements of one claim of work without sums: enough to hide an atomic addition, few to share.
# Kernels. Unmeasured.
CLAIM = 32768

# Elements from which on a driver gives the GIL back. Eight Python threads that did so in calls of a
# microsecond got 0.4 of one thread's calls done: each had to wait for it. Kernels.
# Measured: the figure said, 2026-11-25, machine not noted; the value itself is unmeasured.
FREE_ELEMENTS = 1 << 14

# So many seconds a thread looks for work, and a caller whether the others are done, before it
# sleeps. To be woken takes 50 us and more; a launch soon after another finds its threads awake.
# Kernels. Measured: the 50 us, 2026-11-24, machine not noted; the value itself is unmeasured.
PATIENCE = 2e-4

# How many threads a thread wakes, each of which wakes so many in turn. Kernels. Unmeasured.
WAKES = 2

# Statistics of at least this many contiguous elements are read along memory, others across it.
# Bits. Unmeasured.
ALONG_RUN = 128

# Statistics of fewer chunks than FEW_CHUNKS are read along memory, however short the chunks; those
# of a single run each, if they have ALONG_WIDTH elements. Bits. Unmeasured.
FEW_CHUNKS = 8
ALONG_WIDTH = 8

# So many units of work for each thread are shared out well enough, whatever their number. Fewer
# must be a multiple of the threads, or an operation takes two passes. Unmeasured.
UNITS_EACH = 4

# With fewer values to a statistic, gradients in training are found in float64: a sum of few values
# cancels to nothing but rounding. Bits; of accuracy, not of speed. Unmeasured.
FEW_VALUES = 8

# Elements of one tile of a contiguous statistic: 32 kB of float32, so that a second look at it, for
# data whose mean is far from zero, finds it in the first-level cache. Bits. Unmeasured.
ALONG_TILE = 8192

# Sections of what is longer than a tile are a multiple of so many elements, which is whole vectors
# and cache lines of any dtype. Bits. Unmeasured.
SECTION_STEP = 64

# A bundle of adjacent statistics is worked on together where each has runs shorter than LONG_RUN,
# so that memory is read and written in long ones: at most BUNDLE statistics, for which there is
# room, of BUNDLE_ELEMENTS elements, which a second-level cache holds. Kernels. Unmeasured.
BUNDLE = 16
LONG_RUN = 2048
BUNDLE_ELEMENTS = 1 << 17

# Statistics of at most so many elements are worked on in blocks of as many as a vector has lanes:
# the arithmetic of their coefficients is done a vector at a time, but nothing is read meanwhile.
# Kernels. Measured: gradients of 64, 196 and 400 elements from memory took 1.28, 1.37, 1.28 of a
# sum's time in blocks, on one thread of a Xeon (model 167), of 196 and 400 without 1.28, 1.11; in a
# cache blocks of 64 take half, 2026-11-26.
SHORT = 256

# How many vectors ahead of the reading a cache line is asked for: runs of a few hundred elements
# defeat the hardware's prefetcher. Kernels.
# Measured: 16 to 128 alike within 5 %, 2026-11-23, machine not noted. In the prototype 1,000 to
# 2,000 elements ahead read up to 1.9 times as fast as none (AMD EPYC, AVX-512, two cores).
AHEAD = 32

# How many vectors ahead what is normalised, and comes from a cache, is asked for. Kernels.
# Unmeasured.
NEAR = 12

# Columns of an across slab: its coefficients and sums then fit the second-level cache.
# Measured: with 1600, 2048, 4096, inference of 1568 rows of 2048 took 1.18, 1.05, 1.06 of a copy's
# time on one thread of a Xeon (model 167), 1.24, 1.07, 1.06 on two; of 392 rows of 4096 on two
# 1.15, 1.32, 1.45, 2026-11-26.
SLAB_COLUMNS = 2048

# Rows of at most so many columns are summed in eight places of a tile at once. Bits.
# Measured: see `slabs.spread_of`.
SPREAD_COLUMNS = 3200

# Elements of a slab whose rows stay in the second-level cache between two passes. Unmeasured.
SLAB_ELEMENTS = 1 << 17

# A slab has at least LEAST_SLAB vectors of columns, however many rows that makes; where a
# statistic is a column, one of less than NARROW_SLAB vectors is made as wide as any, for its rows
# would be too short to read fast. Unmeasured.
LEAST_SLAB = 4
NARROW_SLAB = 32

# An across tile holds at least ACROSS_ROWS rows (partial sums then take under 2 % of x's memory)
# and, where rows are short, ACROSS_TILE elements. Small arrays are cut finer, into ACROSS_SHARES
# tiles of at least LEAST_ACROSS_ROWS. Bits. Unmeasured.
ACROSS_ROWS = 512
ACROSS_TILE = 65536
ACROSS_SHARES = 16
LEAST_ACROSS_ROWS = 128

# Shorter rows are laid side by side until they are so long and fill whole vectors: the loop along a
# row must outweigh what surrounds it. Bits.
# Measured: rows of 64 ran at 0.74 of a copy's speed, of 512 at 0.95, 2026-11-23, machine not noted.
MIN_COLUMNS = 512

# Statistics of one unit of work of gradients of few values: those of a batch entry are shared out
# where entries are few. `SLAB` of `kernels.operations.backward_few`. Unmeasured.
FEW_SLAB = 1024

# A tile of rows whose parameter gradients, element-sized, are summed together: its size in arrays
# of LARGE_ROWS elements, and in smaller ones its least size and how many there should be. Bits.
# Unmeasured.
ROW_TILE = 256
LARGE_ROWS = 1 << 22
LEAST_ROW_TILE = 64
MAX_ROW_TILES = 32

# Elements of a block of rows, which with the next block stays in the second-level cache. Bits: of
# the parameters' gradients of rows. Unmeasured.
ROW_BLOCK = 16384

# So many rows, of together no more than ROW_BLOCK elements, add up their terms of parameters'
# gradients in x's type before these go to float64 sums. Bits.
# Measured: gradients of 8192 x 1024 took 0.95 of the time of adding each to float64 sums with 4
# rows, 1.4 with 8, whose lines share a set of the first cache; those of 4096 x 384 0.73, 0.75;
# two threads of an EPYC (Zen 5), 2026-11-27.
TOGETHER = 4

# How many vectors ahead dy and x are asked for where rows are read for the sums of their gradients.
# Kernels. Measured: with 32, 64, 128, 256 gradients of 32768 x 768 took 0.93, 0.87, 0.83, 0.87 of
# the time without, there too.
ROW_AHEAD = 128

# Columns of one unit of work where rows are too few to share out. Unmeasured.
ROW_SLAB = 8192

# Arrays that together have at least so many bytes are worked on with results written past the
# caches, where no measurement says otherwise (`kernels.threads.caches`): a share of the third-level
# cache, less where its owner, as on Intel's servers, is a whole socket and other programs, up to
# STREAM_MOST for each thread; or of the second-level caches of the threads where there is no third.
# Where the system tells no size, the second is SECOND_CACHE.
# Measured: on a Xeon (family 6, model 167; 480 MB for all guests, two cores), copies of 1, 12, 24,
# 49 MB by ordinary stores took 0.4, 0.90, 0.90, 1.1 of the time of those past the caches on two
# threads, and 0.6, 0.91, 0.96, 1.5 on one, each called again and again; beside another program that
# did the same, 38 MB of gradients and 51 MB of group norm lost 1.2 by them on one thread,
# 2026-11-26. On an EPYC
# (Zen 4, 32 MB) results of 10 and 13 MB past them took 1.5 to 1.8 times as long, 2026-11-23.
SHARE_OF_THIRD, SHARE_OF_OTHERS_THIRD, STREAM_MOST = 1.0, 0.5, 1 << 25
SHARE_OF_SECOND, SECOND_CACHE = 1.5, 1 << 20

# So many vectors are added to each of two sums of a run before these go to float64 sums, where
# a `Sum` has stretches: gradients. Bits. Unmeasured.
STRETCH = 16

# So many pairs of vectors are read at a time, and then as many written, where registers are too few
# for both at once (`overlap.in_turns`). A divisor of STRETCH. Kernels.
# Measured: with 4, 8, 16 layer norm of rows of 384 in a cache took 0.83, 0.84, 0.92 of the time of
# both at once, its gradients 0.78, 0.76, 0.72, gradients of 50 MB 0.66, 0.48, 0.64, batch norm of
# 25 MB 0.83, 0.91, 0.85, on one thread of an EPYC (Zen 3, 32 MB), 2026-11-27. Where the arithmetic
# of what is written is light, as of the gradients of batch norm, memory waits for turns: 1.05,
# 1.11, 1.22.
TURN = 8

# Bytes of pixels that are brought into order at once, which with what is read and written stay in
# the first-level cache; of as many channels as PLANES at once, where there are more. Kernels.
# Unmeasured.
STAGED_BYTES = 1 << 14
PLANES = 64

# Rows of an image of at least so many elements are written as they are, where they are in order but
# don't follow one another; shorter ones are brought side by side first. Kernels. Unmeasured.
DIRECT_ROW = 256

# Elements of a part of an image that a thread takes. Kernels. Unmeasured.
UNIT_ELEMENTS = 1 << 16
