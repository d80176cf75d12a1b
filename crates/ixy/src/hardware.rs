//! Cards in the machine: which driver a PCI device gets.

use ixy_ixgbe::models;
use ixy_pci::WhenInUse;

use crate::device::Ground;
use crate::error::Error;
use crate::open::Ready;
use crate::options::Options;
use crate::pci;

/// Takes the device at `place` for the driver that knows it, if nobody uses it.
pub(crate) fn take(
    address: &str,
    place: ixy_pci::Address,
    options: &Options,
) -> Result<Box<dyn Ready>, Error> {
    let info = options.sysfs.device(place)?;
    match models::find(info.id.vendor, info.id.device) {
        Ok(model) => Ok(Box::new(pci::Taken::take(address, place, model, options)?)),
        Err(source) => Err(Error::NoDriver { address: address.to_owned(), source: Box::new(source) }),
    }
}

/// What to do when the kernel uses the device.
pub(crate) fn when_in_use(options: &Options) -> WhenInUse {
    if options.force { WhenInUse::Take } else { WhenInUse::Refuse }
}

/// A card in the machine, which its driver keeps.
pub(crate) struct Hardware;

impl Ground for Hardware {}
