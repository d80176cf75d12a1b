//! From addresses to open devices: [`open`].

use std::sync::Arc;

use ixy_core::Mempool;
use ixy_dma::DmaDomain;

use crate::address::{Address, Place};
use crate::device::Device;
use crate::error::Error;
use crate::options::Options;

/// Opens all `addresses`, in their order. Packets received on one can be sent on any other: all devices receive into
/// one pool.
///
/// Everything that can be checked is checked before anything is touched, and when one device cannot be opened those
/// before it are closed again.
///
/// # Errors
/// One device is named twice, a cable has one end only, a device is not there, not to be had or does not start, or
/// there is no memory that all of them reach.
pub fn open(addresses: &[Address], options: &Options) -> Result<Vec<Device>, Error> {
    options.config().check().map_err(Error::Options)?;
    Address::check_distinct(addresses)?;
    #[cfg(feature = "sim")]
    crate::sim::check_cables(addresses, options)?;

    // Those that make or empty a file come last, so that none is touched when another device cannot be had.
    let mut order: Vec<usize> = (0..addresses.len()).collect();
    order.sort_by_key(|&n| addresses[n].place.makes_a_file());
    #[cfg(feature = "sim")]
    let cables = options.cables.clone().unwrap_or_default();
    let mut ready = Vec::new();
    for n in order {
        let address = addresses[n].to_string();
        let device = match &addresses[n].place {
            #[cfg(feature = "pci")]
            Place::Pci(place) => Ready::Pci(crate::pci::Taken::take(&address, *place, options)?),
            #[cfg(feature = "sim")]
            Place::Sim(spec) => Ready::Sim(crate::sim::Plugged::plug(&address, spec, &cables)?),
            Place::VfioUser(_) => {
                let why = "vfio-user is not built yet; use a sim or PCI address".into();
                return Err(Error::NotBuilt { address, why });
            }
            #[cfg(not(all(feature = "pci", feature = "sim")))]
            Place::LeftOut(feature) => {
                let why = format!("this program was built without the feature `{feature}`; build it with it");
                return Err(Error::NotBuilt { address, why });
            }
        };
        ready.push((n, device));
    }
    ready.sort_by_key(|(n, _)| *n);

    let domains: Vec<_> =
        ready.iter().map(|(n, device)| (addresses[*n].to_string(), Arc::clone(device.domain()))).collect();
    let pool = shared_pool(&domains, options.config().buffers() * domains.len())?;
    ready.into_iter().map(|(_, device)| device.open(options, &pool)).collect()
}

/// A device that was found and is free, and has no driver yet.
enum Ready {
    #[cfg(feature = "pci")]
    Pci(crate::pci::Taken),
    #[cfg(feature = "sim")]
    Sim(crate::sim::Plugged),
}

impl Ready {
    fn domain(&self) -> &Arc<dyn DmaDomain> {
        match self {
            #[cfg(feature = "pci")]
            Self::Pci(taken) => taken.domain(),
            #[cfg(feature = "sim")]
            Self::Sim(plugged) => plugged.domain(),
        }
    }

    fn open(self, options: &Options, pool: &Mempool) -> Result<Device, Error> {
        match self {
            #[cfg(feature = "pci")]
            Self::Pci(taken) => taken.open(options, pool),
            #[cfg(feature = "sim")]
            Self::Sim(plugged) => plugged.open(options, pool),
        }
    }
}

/// One pool that the devices of all `domains`, which have names for messages, reach.
fn shared_pool(domains: &[(String, Arc<dyn DmaDomain>)], buffers: usize) -> Result<Mempool, Error> {
    let all: Vec<_> = domains.iter().map(|(_, domain)| Arc::clone(domain)).collect();
    let source = match Mempool::shared_by(&all, buffers) {
        Ok(pool) => return Ok(pool),
        Err(source @ ixy_core::Error::Dma(ixy_dma::Error::CannotShare { .. })) => source,
        Err(source) => {
            let devices: Vec<_> = domains.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Error::Memory { devices: devices.join(" and "), source });
        }
    };
    // Which two it is that cannot share memory?
    let mut names =
        domains.iter().enumerate().flat_map(|(n, one)| domains[..n].iter().map(move |other| (other, one)));
    let pair = names
        .find(|(one, other)| Mempool::shared_by(&[Arc::clone(&one.1), Arc::clone(&other.1)], 1).is_err());
    let (first, second) = pair.map_or_else(Default::default, |(one, other)| (one.0.clone(), other.0.clone()));
    Err(Error::NoSharedMemory { first, second, source })
}
