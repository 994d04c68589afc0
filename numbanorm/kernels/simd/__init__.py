"""One LLVM instruction or a few on vectors, pointers and the scalars behind them."""
