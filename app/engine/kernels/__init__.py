"""What of the engine is compiled: loops in C, each beside its NumPy form, which gives the same bits.

`build` compiles them when the package is installed, `library` opens what was compiled, and a file of the name of each
kernel calls it, or its NumPy form where there is no library.
"""
