//! ixy-dma
