//! The first message of a connection: [`Version`] and [`Capabilities`].

use serde_json::{Map, Value};
use zerocopy::IntoBytes;

use super::{Errno, MAX_FIXED, VersionNumbers};

/// A version of the protocol, and the capabilities of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// 0 in all versions so far.
    pub major: u16,
    /// 0 or 1 in all versions so far.
    pub minor: u16,
    /// The limits of the sender.
    pub capabilities: Capabilities,
}

/// The limits of one side. Missing ones have the default value of the specification, as in
/// [`Capabilities::default`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The number of descriptors that it accepts in one message.
    pub max_msg_fds: u64,
    /// The largest number of bytes in one read or write.
    pub max_data_xfer_size: u64,
    /// The number of memory mappings at a time.
    pub max_dma_maps: u64,
    /// The page sizes of mappings, or'ed together.
    pub pgsizes: u64,
    /// Whether it supports [`Command::RegionWriteMulti`](super::Command::RegionWriteMulti).
    pub write_multiple: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            max_msg_fds: 1,
            max_data_xfer_size: 1 << 20,
            max_dma_maps: 65_535,
            pgsizes: 4096,
            write_multiple: false,
        }
    }
}

impl Version {
    /// The major version supported here.
    pub const MAJOR: u16 = 0;
    /// The highest minor version supported here.
    pub const MINOR: u16 = 1;

    /// Reads the body of a version message, command or reply. Unknown capabilities (migration, a second socket)
    /// are skipped.
    ///
    /// # Errors
    /// `EINVAL`: it is too short, its text is not a JSON object, or a capability has a value of the wrong type;
    /// `E2BIG`: the text is longer than [`MAX_FIXED`] bytes.
    pub fn parse(body: &[u8]) -> Result<Self, Errno> {
        let (VersionNumbers { major, minor }, text) = VersionNumbers::split(body).ok_or(Errno::INVAL)?;
        if text.len() > MAX_FIXED {
            return Err(Errno::TOOBIG);
        }
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let capabilities = if text.is_empty() { Capabilities::default() } else { Capabilities::parse(text)? };
        Ok(Self { major, minor, capabilities })
    }

    /// Appends the body to `to`.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(VersionNumbers { major: self.major, minor: self.minor }.as_bytes());
        to.extend_from_slice(self.capabilities.to_json().to_string().as_bytes());
        to.push(0);
    }
}

impl Capabilities {
    fn parse(text: &[u8]) -> Result<Self, Errno> {
        let value: Value = serde_json::from_slice(text).map_err(|_| Errno::INVAL)?;
        let object = value.as_object().ok_or(Errno::INVAL)?;
        let mut all = Self::default();
        let Some(given) = object.get("capabilities") else { return Ok(all) };
        let given = given.as_object().ok_or(Errno::INVAL)?;
        number(given, "max_msg_fds", &mut all.max_msg_fds)?;
        number(given, "max_data_xfer_size", &mut all.max_data_xfer_size)?;
        number(given, "max_dma_maps", &mut all.max_dma_maps)?;
        number(given, "pgsizes", &mut all.pgsizes)?;
        if let Some(value) = given.get("write_multiple") {
            all.write_multiple = value.as_bool().ok_or(Errno::INVAL)?;
        }
        Ok(all)
    }

    fn to_json(self) -> Value {
        let Self { max_msg_fds, max_data_xfer_size, max_dma_maps, pgsizes, write_multiple } = self;
        serde_json::json!({ "capabilities": {
            "max_msg_fds": max_msg_fds,
            "max_data_xfer_size": max_data_xfer_size,
            "max_dma_maps": max_dma_maps,
            "pgsizes": pgsizes,
            "write_multiple": write_multiple,
        } })
    }

    /// The capabilities of both sides: the smaller of each limit, and the common page sizes.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self {
            max_msg_fds: self.max_msg_fds.min(other.max_msg_fds),
            max_data_xfer_size: self.max_data_xfer_size.min(other.max_data_xfer_size),
            max_dma_maps: self.max_dma_maps.min(other.max_dma_maps),
            pgsizes: self.pgsizes & other.pgsizes,
            write_multiple: self.write_multiple && other.write_multiple,
        }
    }
}

fn number(object: &Map<String, Value>, name: &str, into: &mut u64) -> Result<(), Errno> {
    if let Some(value) = object.get(name) {
        *into = value.as_u64().ok_or(Errno::INVAL)?;
    }
    Ok(())
}
