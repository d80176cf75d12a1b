use super::Wire;

/// The shortest frame of Ethernet in bytes, without frame check sequence.
const SHORTEST: usize = 60;

/// A wire that pads short frames with zeros to the 60 bytes of Ethernet's shortest frame: its frames come from a
/// network stack, a file or a program.
///
/// A network stack hands out an ARP request of 42 bytes and leaves the padding to the card that sends it. On such
/// a wire there is no sending card, and the receiving one would count every short frame as damaged and drop it.
/// [`WireSpec::connect`](super::WireSpec::connect) pads frames from a TAP, a capture, a socket and from memory. On
/// a cable and a loopback the frames come from another card's transmitter, so a short one arrives unchanged.
pub struct Padded {
    wire: Box<dyn Wire>,
    /// A short frame with its padding.
    padded: [u8; SHORTEST],
}

impl Padded {
    /// Pads the frames that arrive from `wire`. Sent frames stay as they are.
    pub fn new(wire: Box<dyn Wire>) -> Self {
        Self { wire, padded: [0; SHORTEST] }
    }
}

impl Wire for Padded {
    fn inner(&self) -> Option<&dyn Wire> {
        Some(&*self.wire)
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Wire> {
        Some(&mut *self.wire)
    }

    fn front(&mut self) -> Option<&[u8]> {
        let Self { wire, padded } = self;
        let frame = wire.front()?;
        if frame.len() >= SHORTEST {
            return Some(frame);
        }
        let (content, padding) = padded.split_at_mut(frame.len());
        content.copy_from_slice(frame);
        padding.fill(0);
        Some(padded)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Loopback, *};

    #[test]
    fn short_frames_are_padded_with_zeros_and_all_others_stay_as_they_are() {
        let mut wire = Padded::new(Box::new(Loopback::new()));
        let lengths = [1514, 1, 60, 42, 59, 61];
        for length in lengths {
            assert!(wire.transmit(&vec![length as u8; length]));
        }
        for length in lengths {
            let mut expected = vec![length as u8; length];
            expected.resize(length.max(60), 0);
            assert_eq!(wire.front(), Some(&expected[..]), "a frame of {length} bytes");
            assert_eq!(wire.front(), Some(&expected[..]), "it stays until it is consumed");
            wire.consume();
        }
        assert_eq!(wire.front(), None);
        wire.close_transmit();
        assert!(
            wire.ended() && wire.link_up() && wire.waits() && wire.flush().is_ok() && wire.error().is_none()
        );
    }
}
