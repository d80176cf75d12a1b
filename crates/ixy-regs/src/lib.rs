//! ixy-regs
