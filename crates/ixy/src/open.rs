//! From addresses to open devices: [`open`].

use std::sync::Arc;

use ixy_core::Mempool;
use ixy_dma::DmaDomain;

use crate::address::{Address, Place};
use crate::device::Device;
use crate::error::Error;
use crate::options::Options;
use crate::stop::Stop;

/// Opens all `addresses`, in their order. Packets received on one can be sent on any other: all devices receive into
/// one pool.
///
/// `open` checks everything it can before it touches a device, and when one device cannot be opened it closes those
/// before it.
///
/// From here on cards write received frames into the program's memory, until the devices and their queues are
/// dropped. A killed program drops nothing: without an IOMMU its cards continue to write into memory that the
/// kernel may have given to others. Ctrl-C kills a program unless it handles the signal, so create a
/// [`Stop`](crate::Stop) before the first card:
///
/// ```
/// use ixy::{Options, Stop};
///
/// # fn main() -> Result<(), ixy::Error> {
/// let stop = Stop::on_signals()?;
/// let mut cards = ixy::open(&["sim".parse()?], &Options::default().stop(&stop))?;
/// while !stop.requested() {
///     // receive and send
/// #   stop.request();
/// }
/// cards.remove(0).close()
/// # }
/// ```
///
/// # Errors
/// No address is given, two addresses name one device or use one capture, a cable has only one end, a device is not there, is in use or
/// does not start, no memory is reachable by all of them, or the stop of [`Options::stop`] was requested.
pub fn open(addresses: &[Address], options: &Options) -> Result<Vec<Device>, Error> {
    if addresses.is_empty() {
        return Err(Error::NoAddress);
    }
    options.config().check().map_err(|error| Error::Options(error.into()))?;
    Address::check_distinct(addresses)?;
    #[cfg(feature = "sim")]
    crate::sim::check_cables(addresses, options)?;
    #[cfg(feature = "pci")]
    crate::missing::check(addresses, options)?;

    // Devices that create or empty a file come last, so that no file is touched when another device cannot be
    // opened.
    let mut order: Vec<usize> = (0..addresses.len()).collect();
    order.sort_by_key(|&n| addresses[n].place.makes_a_file());
    #[cfg(feature = "sim")]
    let cables = options.cables.clone().unwrap_or_default();
    // The VFIO containers.
    #[cfg(feature = "pci")]
    let mut containers = options.containers();
    let stopped = |n: usize| Error::stopped(Address::name(addresses, n));
    let mut ready = Vec::new();
    for n in order {
        let address = Address::name(addresses, n);
        if options.stopped() {
            return Err(stopped(n));
        }
        let device: Box<dyn Ready> = match &addresses[n].place {
            #[cfg(feature = "pci")]
            Place::Pci(place) => crate::hardware::take(&address, *place, options, &mut containers)?,
            #[cfg(feature = "sim")]
            Place::Sim(spec) => Box::new(crate::sim::Plugged::plug(&address, spec, &cables, options)?),
            #[cfg(feature = "vfio-user")]
            Place::Served(path) => Box::new(crate::vfio_user::Connected::connect(&address, path, options)?),
            #[cfg(not(all(feature = "pci", feature = "sim", feature = "vfio-user")))]
            Place::NotBuilt(why) => return Err(Error::NotBuilt { address, why }),
        };
        ready.push((n, device));
    }
    ready.sort_by_key(|(n, _)| *n);

    let domains: Vec<_> =
        ready.iter().map(|(n, device)| (Address::name(addresses, *n), Arc::clone(device.domain()))).collect();
    let pool = shared_pool(&domains, options.config().buffers() * domains.len());
    let pool =
        pool.map_err(
            |error| if options.stop.as_ref().is_some_and(Stop::requested) { stopped(0) } else { error },
        )?;
    let open = |(n, device): (usize, Box<dyn Ready>)| {
        if options.stopped() {
            return Err(stopped(n));
        }
        Ok(device.open(options, &pool)?.stopped_by(options.stop.clone()))
    };
    ready.into_iter().map(open).collect()
}

/// A device that was found and is free, without a driver yet.
pub(crate) trait Ready {
    /// The memory that it reaches.
    fn domain(&self) -> &Arc<dyn DmaDomain>;

    /// Starts its driver, which receives into `pool`.
    fn open(self: Box<Self>, options: &Options, pool: &Mempool) -> Result<Device, Error>;
}

/// One pool in reach of the devices of all `domains`, which have names for messages.
fn shared_pool(domains: &[(String, Arc<dyn DmaDomain>)], buffers: usize) -> Result<Mempool, Error> {
    let all: Vec<_> = domains.iter().map(|(_, domain)| Arc::clone(domain)).collect();
    Mempool::shared_by(&all, buffers).map_err(|source| Error::of_pool(domains, source))
}

#[cfg(test)]
mod tests {
    use ixy_dma::{Backing, DmaMemory, DomainId, SimulatedDomain};

    use super::*;

    /// Memory that accepts no import from another domain.
    #[derive(Debug)]
    struct Closed(Arc<SimulatedDomain>);

    // SAFETY: the id is that of the domain inside, which allocates; nothing is imported.
    #[allow(unsafe_code, reason = "a domain for tests")]
    unsafe impl DmaDomain for Closed {
        fn id(&self) -> DomainId {
            self.0.id()
        }

        fn name(&self) -> String {
            "a closed domain".into()
        }

        fn allocate(self: Arc<Self>, size: usize) -> Result<DmaMemory, ixy_dma::Error> {
            Arc::clone(&self.0).allocate(size)
        }

        unsafe fn import(self: Arc<Self>, memory: &DmaMemory) -> Result<Box<dyn Backing>, ixy_dma::Error> {
            let (from, into, why) = (memory.domain().name(), self.name(), "it is closed".into());
            Err(ixy_dma::Error::CannotShare { from, into, why })
        }
    }

    fn open_domain(name: &str) -> (String, Arc<dyn DmaDomain>) {
        (name.into(), Arc::new(SimulatedDomain::default()))
    }

    fn closed_domain(name: &str) -> (String, Arc<dyn DmaDomain>) {
        (name.into(), Arc::new(Closed(Arc::default())))
    }

    #[test]
    fn one_pool_is_mapped_into_every_domain() {
        let domains = [open_domain("a"), closed_domain("b"), open_domain("c")];
        let pool = shared_pool(&domains, 100).unwrap();
        assert!(domains.iter().all(|(_, domain)| pool.is_mapped_in(domain.id())));
        assert_eq!(pool.buffers(), 100);
    }

    #[test]
    fn two_devices_that_cannot_share_memory_are_both_named() {
        let domains = [open_domain("a"), closed_domain("b"), open_domain("c"), closed_domain("d")];
        let text = shared_pool(&domains, 100).unwrap_err().to_string();
        assert!(text.starts_with("b and d cannot share packets"), "{text}");
        assert!(text.contains("it is closed"), "{text}");
    }

    #[test]
    fn memory_that_there_is_not_enough_of_names_the_devices() {
        let text = shared_pool(&[open_domain("a"), open_domain("b")], usize::MAX).unwrap_err().to_string();
        assert!(text.starts_with("no memory for the packets of a and b: "), "{text}");
    }
}
