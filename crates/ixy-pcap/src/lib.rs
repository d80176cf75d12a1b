//! ixy-pcap
