use super::{Wakes, Wire};

/// A wire that hides its light from the MAC (`link=down`), or that drops frames without a free descriptor
/// (`pause=off`).
pub struct Altered {
    wire: Box<dyn Wire>,
    link_down: bool,
    pause_off: bool,
}

impl Altered {
    /// Alters `wire`. With the link down no frame passes either way, and none is lost: each waits where it is.
    pub fn new(wire: Box<dyn Wire>, link_down: bool, pause_off: bool) -> Self {
        Altered { wire, link_down, pause_off }
    }
}

impl Wire for Altered {
    fn inner(&self) -> Option<&dyn Wire> {
        Some(&*self.wire)
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Wire> {
        Some(&mut *self.wire)
    }

    fn link_up(&mut self) -> bool {
        !self.link_down && self.wire.link_up()
    }

    fn front(&mut self) -> Option<&[u8]> {
        if self.link_down { None } else { self.wire.front() }
    }

    fn consume(&mut self) {
        if !self.link_down {
            self.wire.consume();
        }
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        !self.link_down && self.wire.transmit(frame)
    }

    fn waits(&self) -> bool {
        !self.pause_off && self.wire.waits()
    }

    fn wakes(&self) -> Wakes<'_> {
        // With the link down nothing arrives, even if frames wait at the other end.
        if self.link_down { Wakes::NEVER } else { self.wire.wakes() }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Loopback, *};

    #[test]
    fn a_link_that_is_down_passes_nothing_and_loses_nothing() {
        let mut inner = Box::new(Loopback::new());
        assert!(inner.transmit(&[1; 60]));
        let mut wire = Altered::new(inner, true, false);
        assert!(!wire.link_up() && !wire.transmit(&[2; 60]) && wire.waits());
        assert_eq!(wire.front(), None);
        wire.consume();
        assert!(!wire.ended());
        wire.link_down = false;
        assert_eq!(wire.front(), Some(&[1; 60][..]));
    }

    #[test]
    fn without_pause_frames_do_not_wait_and_all_else_stays() {
        let mut wire = Altered::new(Box::new(Loopback::new()), false, true);
        assert!(!wire.waits() && wire.link_up() && wire.transmit(&[1; 60]));
        assert_eq!(wire.front(), Some(&[1; 60][..]));
        wire.close_transmit();
        assert!(!wire.ended());
        wire.consume();
        assert!(wire.ended() && wire.flush().is_ok() && wire.error().is_none());
    }
}
