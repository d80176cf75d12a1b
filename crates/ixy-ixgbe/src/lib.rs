//! ixy-ixgbe
