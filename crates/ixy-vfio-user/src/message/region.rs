//! A server's description of a region: [`RegionReply`].

use zerocopy::IntoBytes;

use super::{Area, CapabilityHeader, Errno, RegionInfo, SparseMmap};

/// The largest number of mappable areas in a region.
pub const MAX_AREAS: usize = 64;
/// The largest number of capabilities that are read.
const MAX_CAPABILITIES: usize = 16;

/// A region: its structure, and the areas that can be mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionReply {
    /// The properties of the region.
    pub info: RegionInfo,
    /// The areas that can be mapped, if there is a list of them; without one it is the whole region, if
    /// [`RegionInfo::MMAP`] is set.
    pub areas: Option<Vec<Area>>,
}

impl RegionReply {
    /// Length of the whole reply's body in bytes.
    pub fn len(&self) -> usize {
        let list = |areas: &Vec<Area>| CapabilityHeader::SIZE + SparseMmap::SIZE + areas.len() * Area::SIZE;
        RegionInfo::SIZE + self.areas.as_ref().map_or(0, list)
    }

    /// Appends the body to `to`: all of it if that is at most `argsz` bytes, and else only the structure, which
    /// gives the total length.
    ///
    /// # Errors
    /// `EINVAL`: not even the structure fits. Nothing was appended.
    pub fn encode(&self, argsz: u32, to: &mut Vec<u8>) -> Result<(), Errno> {
        let (len, room) = (self.len(), argsz as usize);
        if room < RegionInfo::SIZE {
            return Err(Errno::INVAL);
        }
        let mut info =
            RegionInfo { argsz: u32::try_from(len).unwrap_or(u32::MAX), cap_offset: 0, ..self.info };
        info.flags &= !RegionInfo::CAPS;
        let Some(areas) = &self.areas else {
            to.extend_from_slice(info.as_bytes());
            return Ok(());
        };
        info.flags |= RegionInfo::CAPS;
        // QEMU also checks the offset in a shortened reply.
        info.cap_offset = RegionInfo::SIZE as u32;
        if len > room {
            to.extend_from_slice(info.as_bytes());
            return Ok(());
        }
        to.extend_from_slice(info.as_bytes());
        let header = CapabilityHeader { id: CapabilityHeader::SPARSE_MMAP, version: 1, next: 0 };
        to.extend_from_slice(header.as_bytes());
        let nr_areas = u32::try_from(areas.len()).unwrap_or(u32::MAX);
        to.extend_from_slice(SparseMmap { nr_areas, reserved: 0 }.as_bytes());
        to.extend_from_slice(areas.as_bytes());
        Ok(())
    }

    /// Reads a reply's body. Unknown capabilities are skipped. A reply that was too long for the request has no
    /// areas, and an `argsz` that is longer than the body.
    ///
    /// # Errors
    /// `EINVAL`: it is too short, or a capability lies outside or before the previous one; `E2BIG`: there are more
    /// areas than [`MAX_AREAS`], or too many capabilities.
    pub fn parse(body: &[u8]) -> Result<Self, Errno> {
        let (info, _) = RegionInfo::split(body).ok_or(Errno::INVAL)?;
        let mut areas = None;
        let is_cut = info.argsz as usize > body.len();
        let mut at = if info.flags & RegionInfo::CAPS == 0 || is_cut { 0 } else { info.cap_offset as usize };
        let mut least = RegionInfo::SIZE;
        for _ in 0..MAX_CAPABILITIES {
            if at == 0 {
                return Ok(Self { info, areas });
            }
            // Each capability lies after the one before, so that a list has an end.
            if at < least {
                return Err(Errno::INVAL);
            }
            let (header, rest) = body.get(at..).and_then(CapabilityHeader::split).ok_or(Errno::INVAL)?;
            if header.id == CapabilityHeader::SPARSE_MMAP {
                areas = Some(sparse(rest)?);
            }
            least = at.saturating_add(CapabilityHeader::SIZE);
            at = header.next as usize;
        }
        Err(Errno::TOOBIG)
    }
}

fn sparse(body: &[u8]) -> Result<Vec<Area>, Errno> {
    let (SparseMmap { nr_areas, .. }, mut rest) = SparseMmap::split(body).ok_or(Errno::INVAL)?;
    if nr_areas as usize > MAX_AREAS {
        return Err(Errno::TOOBIG);
    }
    let mut areas = Vec::new();
    for _ in 0..nr_areas {
        let (area, after) = Area::split(rest).ok_or(Errno::INVAL)?;
        areas.push(area);
        rest = after;
    }
    Ok(areas)
}
