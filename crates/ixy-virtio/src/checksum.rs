//! Checksums in the header before each frame (sections 5.1.6.2 and 5.1.6.4).

use ixy_core::Checksum;
use ixy_regs::virtio::net::{Header, HeaderFlags};
use zerocopy::{FromBytes, IntoBytes};

/// Decodes the checksum state in the header of a received frame.
pub(crate) fn received(header: &[u8]) -> Checksum {
    // The shorter header of a legacy device lacks the last field.
    let mut bytes = [0; size_of::<Header>()];
    let len = header.len().min(bytes.len());
    bytes[..len].copy_from_slice(&header[..len]);
    let Ok(header) = Header::read_from_bytes(&bytes) else { return Checksum::InFrame };
    let flags = HeaderFlags::from_bits_retain(header.flags);
    if flags.contains(HeaderFlags::NEEDS_CSUM) {
        Checksum::Owed { start: header.csum_start.get(), offset: header.csum_offset.get() }
    } else if flags.contains(HeaderFlags::DATA_VALID) {
        Checksum::Verified
    } else {
        Checksum::InFrame
    }
}

/// Writes the header of a frame to send.
#[inline(always)]
pub(crate) fn write(checksum: Checksum, into: &mut [u8]) {
    // Write either length of header in one or two stores.
    if let Some(whole) = into.first_chunk_mut::<{ Header::SIZE }>() {
        *whole = [0; Header::SIZE];
    } else {
        into.fill(0);
    }
    if let Checksum::Owed { start, offset } = checksum {
        write_owed(start, offset, into);
    }
}

#[cold]
#[inline(never)]
fn write_owed(start: u16, offset: u16, into: &mut [u8]) {
    let header = Header {
        flags: HeaderFlags::NEEDS_CSUM.bits(),
        csum_start: start.into(),
        csum_offset: offset.into(),
        ..Header::default()
    };
    let len = into.len().min(size_of::<Header>());
    into[..len].copy_from_slice(&header.as_bytes()[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_a_header_is_read_from_it() {
        for checksum in [Checksum::InFrame, Checksum::Owed { start: 34, offset: 16 }] {
            for len in [10, 12] {
                let mut header = vec![0xAA; len];
                write(checksum, &mut header);
                assert_eq!(received(&header), checksum);
            }
        }
        assert_eq!(received(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Checksum::Verified);
    }
}
