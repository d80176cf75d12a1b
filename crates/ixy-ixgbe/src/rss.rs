//! Receive side scaling: packets of one flow go to one queue (section 7.1.2.8).

use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::fields::MRQC;

use crate::card::Card;

/// Queues that an entry of the redirection table can name (section 7.1.2.8.2: four bits).
const RSS_QUEUES: u16 = 16;

/// The hash key: forty bytes without a pattern. It comes from the hash's specification, so its examples can be
/// checked.
pub(crate) const KEY: [u8; 40] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0,
    0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42,
    0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];

/// Spreads received packets over the queues that the redirection table can name. With one queue, everything
/// goes to queue 0.
pub(crate) fn init<B: Bus>(card: &Card<B>, queues: u16) {
    let regs = &card.regs;
    if queues == 1 {
        regs.mrqc().set(0);
        return;
    }
    for (register, bytes) in regs.rssrk().iter().zip(KEY.as_chunks::<4>().0) {
        register.set(u32::from_le_bytes(*bytes));
    }
    // 128 entries, four to a register, the queues in turn (section 8.2.3.7.15).
    let spread = u32::from(queues.min(RSS_QUEUES));
    for (n, register) in (0..).zip(regs.reta().iter()) {
        let entry = |i: u32| ((4 * n + i) % spread) << (8 * i);
        register.set(entry(0) | entry(1) | entry(2) | entry(3));
    }
    regs.mrqc().write(
        MRQC::MRQE.val(1)
            + MRQC::RSS_TCP_IPV4::SET
            + MRQC::RSS_IPV4::SET
            + MRQC::RSS_IPV6::SET
            + MRQC::RSS_TCP_IPV6::SET
            + MRQC::RSS_UDP_IPV4::SET
            + MRQC::RSS_UDP_IPV6::SET,
    );
}
