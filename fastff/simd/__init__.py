"""LLVM vector code: memory access by address, the register tile, vector functions, the barrier.

The only floor that imports llvmlite (beside the table of machines). Everything here works on addresses, and every
intrinsic has a scalar twin of the same signature.
"""
