//! Transfers on the I2C bus to the SFP+ module, decoded from the accesses that drive it bit by bit: [`I2c`].

use ixy_regs::ixgbe::fields::I2CCTL;

use super::item::What;

/// A transfer on the two wires of the I2C bus, from the view of the driver that clocks it.
#[derive(Default)]
pub(crate) struct I2c {
    clock: bool,
    data: bool,
    /// The level of the data wire while the clock was high.
    seen: Option<bool>,
    /// A start was seen.
    began: bool,
    /// The next falling clock ends a start condition, not a bit.
    starting: bool,
    /// The bits of the current byte.
    bits: Vec<bool>,
    /// The bytes since each start, each with its acknowledgement.
    parts: Vec<Vec<(u8, bool)>>,
}

impl I2c {
    /// Takes a write or read of I2CCTL; returns whether it ended the transfer.
    pub(crate) fn line(&mut self, value: u32, write: bool) -> bool {
        if !write {
            if self.clock {
                self.seen = Some(I2CCTL::DATA_IN.is_set(value));
            }
            return false;
        }
        let (clock, data) = (I2CCTL::CLK_OUT.is_set(value), I2CCTL::DATA_OUT.is_set(value));
        let (clock_before, data_before) = (self.clock, self.data);
        (self.clock, self.data) = (clock, data);
        match (clock_before, clock) {
            (true, true) if data_before && !data => self.start(),
            (true, true) if !data_before && data => return self.began,
            (true, false) => self.bit(),
            (false, true) => self.seen = None,
            _ => {}
        }
        false
    }

    fn start(&mut self) {
        (self.began, self.starting) = (true, true);
        self.bits.clear();
        self.parts.push(Vec::new());
    }

    /// The clock falls: the level of the data wire is a bit, unless it was a start.
    fn bit(&mut self) {
        let bit = self.seen.take().unwrap_or(self.data);
        if std::mem::take(&mut self.starting) {
            return;
        }
        let Some(part) = self.parts.last_mut() else { return };
        self.bits.push(bit);
        if let [bits @ .., acknowledge] = &self.bits[..]
            && bits.len() == 8
        {
            let byte = bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
            part.push((byte, !acknowledge));
            self.bits.clear();
        }
    }

    /// The meaning of the transfer: mostly, one byte was read.
    pub(crate) fn transfer(&self) -> What {
        if let [to, from] = &self.parts[..]
            && let ([(device, true), (byte, true)], [(_, true), (value, _)]) = (&to[..], &from[..])
        {
            return What::ModuleByte { device: *device, byte: (*byte).into(), value: (*value).into() };
        }
        let part = |part: &Vec<(u8, bool)>| {
            let byte = |(byte, acknowledged): &(u8, bool)| {
                format!(" {byte:#04x}{}", if *acknowledged { "" } else { " (not acknowledged)" })
            };
            part.iter().map(byte).collect::<String>()
        };
        let parts: Vec<String> = self.parts.iter().map(part).collect();
        What::Other(format!("i2c  start{} stop  (8.2.3.1.5)", parts.join(", start")))
    }
}
