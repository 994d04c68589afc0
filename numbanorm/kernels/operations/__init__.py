"""One pass over an array each: along memory, across it and by rows."""
