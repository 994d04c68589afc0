"""asv benchmarks of numbanorm."""
