//! ixy-pci
