"""Products of matrices: blocking, packing, edges and the loops around the register tile."""
