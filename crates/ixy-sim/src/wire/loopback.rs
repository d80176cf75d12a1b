use super::{Wakes, Wire, frames::Frames};

/// A cable with its two fibres joined: sent frames come back, in order. Up to 2,048 frames are in flight.
#[derive(Default)]
pub struct Loopback {
    sent: Frames,
    arrived: Frames,
    transmit_closed: bool,
}

impl Loopback {
    /// A loopback without frames in flight.
    pub fn new() -> Self {
        Loopback::default()
    }

    fn take_sent(&mut self) {
        if self.arrived.is_empty() {
            std::mem::swap(&mut self.arrived, &mut self.sent);
        }
    }
}

impl Wire for Loopback {
    fn front(&mut self) -> Option<&[u8]> {
        self.take_sent();
        self.arrived.front()
    }

    fn consume(&mut self) {
        self.take_sent();
        self.arrived.pop();
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        self.transmit_closed || frame.is_empty() || self.sent.push(frame)
    }

    fn close_transmit(&mut self) {
        self.transmit_closed = true;
    }

    fn ended(&mut self) -> bool {
        self.transmit_closed && self.sent.is_empty() && self.arrived.is_empty()
    }

    fn wakes(&self) -> Wakes<'_> {
        Wakes::NEVER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_comes_back_in_order() {
        let mut wire = Loopback::new();
        assert_eq!(wire.front(), None);
        wire.consume();
        let (mut sent, mut arrived) = (0u32, 0u32);
        for round in 0..1000 {
            for _ in 0..round % 7 {
                assert!(wire.transmit(&[&sent.to_le_bytes()[..], &[0; 56]].concat()));
                sent += 1;
            }
            for _ in 0..round % 5 {
                let Some(frame) = wire.front() else { break };
                assert_eq!(frame[..4], arrived.to_le_bytes());
                arrived += 1;
                wire.consume();
            }
        }
        while wire.front().is_some() {
            wire.consume();
            arrived += 1;
        }
        assert_eq!(sent, arrived);
    }

    #[test]
    fn a_full_wire_refuses_and_takes_again_once_frames_were_taken() {
        let mut wire = Loopback::new();
        let room = (0..10_000).take_while(|_| wire.transmit(&[1; 60])).count();
        assert_eq!(room, Frames::LIMIT);
        assert!(!wire.transmit(&[1; 60]));
        assert_eq!(wire.front(), Some(&[1; 60][..]));
        assert!(wire.transmit(&[2; 60]));
        for _ in 0..Frames::LIMIT {
            assert_eq!(wire.front(), Some(&[1; 60][..]));
            wire.consume();
        }
        assert_eq!(wire.front(), Some(&[2; 60][..]));
    }

    #[test]
    fn the_input_ends_when_nothing_more_is_sent_and_all_came_back() {
        let mut wire = Loopback::new();
        assert!(wire.transmit(&[1; 60]) && !wire.ended());
        wire.close_transmit();
        assert!(wire.transmit(&[2; 60]), "taken and dropped");
        assert!(!wire.ended());
        assert_eq!(wire.front(), Some(&[1; 60][..]));
        wire.consume();
        assert!(wire.ended());
        assert_eq!(wire.front(), None);
    }
}
