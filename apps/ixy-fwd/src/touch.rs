//! The change that ixy-fwd makes in each frame: [`Touch`].

use ixy::Packet;

/// The choices of `--touch`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Touch {
    /// Forward each frame unchanged
    None,
    /// Increment byte 48, as the original ixy does for its measurements: checksums no longer match
    Byte,
    /// Swap the destination and the source address
    Mac,
}

/// Increments byte 48, counted from 0. A shorter frame stays as it is.
#[inline(always)]
pub(crate) fn byte(packet: &mut Packet) {
    if let Some(byte) = packet.get_mut(48) {
        *byte = byte.wrapping_add(1);
    }
}

/// Swaps the first six bytes, the destination address, with the next six, the source address.
#[inline(always)]
pub(crate) fn mac(packet: &mut Packet) {
    if let Some(addresses) = packet.get_mut(..12) {
        let (destination, source) = addresses.split_at_mut(6);
        destination.swap_with_slice(source);
    }
}
