//! 82599s that another process serves over vfio-user: software cards, reached like hardware through VFIO.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use ixy_core::{Interrupts, Mempool, VectorKind, Vectors};
use ixy_dma::{BusMaster, DmaDomain};
use ixy_ixgbe::{Config, models};
use ixy_vfio_user::client::{Client, VfioUserBus, VfioUserBusMaster, VfioUserDomain};
use ixy_vfio_user::message::{IrqAction, IrqData, pci};

use crate::device::{Device, Ground};
use crate::error::Error;
use crate::open::Ready;
use crate::options::Options;

/// A card with a connected server, without a driver yet.
pub(crate) struct Connected {
    address: String,
    client: Client,
    bus: VfioUserBus,
    bus_master: VfioUserBusMaster,
    model: &'static models::Model,
    domain: Arc<dyn DmaDomain>,
}

impl Connected {
    /// Connects to the server at `path`, and stops any DMA of its card.
    pub(crate) fn connect(address: &str, path: &Path, options: &Options) -> Result<Self, Error> {
        let failed = |source| failed(address, source);
        let client = match options.stop.clone() {
            Some(stop) => {
                let stalled = stop.stalled();
                Client::connect_unless(path, move || stop.requested(), &stalled)
            }
            None => Client::connect(path),
        };
        let client = client.map_err(failed)?;
        let mut ids = [0; 4];
        client.read(pci::CONFIG, 0, &mut ids).map_err(failed)?;
        let [vendor, device] = [[ids[0], ids[1]], [ids[2], ids[3]]].map(u16::from_le_bytes);
        let model = models::find(vendor, device).map_err(|source| Error::NoDriver {
            address: address.to_owned(),
            source: source.into(),
            others: &[],
        })?;
        let bus_master = VfioUserBusMaster::new(&client).map_err(failed)?;
        bus_master.disable().map_err(|source| Error::of_driver(address, source))?;
        let bus = VfioUserBus::new(&client, pci::BAR0).map_err(failed)?;
        let domain = Arc::new(VfioUserDomain::new(&client, address));
        tracing::debug!(device = address, model = model.name, mapped = bus.mapped(), "a server was reached");
        Ok(Self { address: address.to_owned(), client, bus, bus_master, model, domain })
    }
}

impl Ready for Connected {
    fn domain(&self) -> &Arc<dyn DmaDomain> {
        &self.domain
    }

    #[allow(unsafe_code, reason = "this is where a driver is given its card")]
    fn open(self: Box<Self>, options: &Options, pool: &Mempool) -> Result<Device, Error> {
        let Self { address, client, bus, bus_master, model, domain } = *self;
        let interrupts = match options.interrupts {
            None => None,
            Some(rate) => {
                let vectors = Events::best(&client, u32::from(options.queues));
                let vectors = vectors.map_err(|source| failed(&address, source))?;
                tracing::info!(device = address, kind = ?vectors.kind, vectors = vectors.len(), rate, "interrupts");
                Some(Interrupts { vectors: Arc::new(vectors), rate })
            }
        };
        let config = Config { model, interrupts, ..options.config() };
        let ground = Served { address: address.clone(), client };
        // SAFETY: ARMED-ONLY: a server has one client at a time, which is ours, and `connect` found its card to be a
        // `model` and made the domain for it.
        let opened = unsafe { config.open(&address, bus, &domain, Arc::new(bus_master), pool) };
        let card = opened.map_err(|source| ground.because(&address, Error::of_driver(&address, source)))?;
        // From here on the card is closed in order, even after a stop request.
        ground.client.keep();
        Ok(Device::new(card, ground, domain, pool.clone()))
    }
}

/// The error for the server of the device at `address`.
fn failed(address: &str, source: ixy_vfio_user::Error) -> Error {
    let address = address.to_owned();
    match source {
        ixy_vfio_user::Error::Stopped => Error::stopped(address),
        source => Error::VfioUser { address, source },
    }
}

/// The server behind an open card.
struct Served {
    address: String,
    client: Client,
}

impl Served {
    /// The error of the connection, if that is why a driver failed; or else `error`.
    fn because(&self, address: &str, error: Error) -> Error {
        match self.client.lost() {
            Some(source) => failed(address, source.clone()),
            None => error,
        }
    }
}

impl Ground for Served {
    fn error(&self) -> Option<String> {
        let why = self.client.lost()?;
        Some(format!("{} is lost: {why}; open it again when its server runs", self.address))
    }
}

/// The vectors of a card, which signal until this is dropped.
#[derive(Debug)]
struct Events {
    client: Client,
    kind: VectorKind,
    events: Vec<OwnedFd>,
}

/// The kinds, best first, with their numbers among the kinds of interrupts.
const KINDS: [(VectorKind, u32); 3] =
    [(VectorKind::MsiX, pci::MSIX), (VectorKind::Msi, pci::MSI), (VectorKind::Pin, pci::INTX)];

impl Events {
    /// `wanted` vectors of the best kind that the card has, or as many as it has, at least one.
    fn best(client: &Client, wanted: u32) -> Result<Self, ixy_vfio_user::Error> {
        for (kind, index) in KINDS {
            let there = client.irq(index)?.count;
            if there > 0 {
                let events = client.interrupts(index, wanted.clamp(1, there))?;
                return Ok(Self { client: client.clone(), kind, events });
            }
        }
        let what = "interrupts".into();
        Err(ixy_vfio_user::Error::Invalid { what, why: "the device has none: use it without them".into() })
    }

    fn index(&self) -> u32 {
        KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or(pci::INTX, |(_, index)| *index)
    }
}

impl Vectors for Events {
    fn kind(&self) -> VectorKind {
        self.kind
    }

    fn len(&self) -> usize {
        self.events.len()
    }

    fn event(&self, n: usize) -> Option<BorrowedFd<'_>> {
        self.events.get(n).map(AsFd::as_fd)
    }

    fn unmask(&self) -> Result<(), ixy_core::Error> {
        if self.kind != VectorKind::Pin {
            return Ok(());
        }
        let unmasked = self.client.set_irqs(pci::INTX, 0, 1, IrqData::None, IrqAction::Unmask);
        unmasked.map_err(|error| ixy_core::Error::Interrupt {
            what: "let the interrupt pin through again".into(),
            source: io::Error::other(error),
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if let Err(error) = self.client.set_irqs(self.index(), 0, 0, IrqData::None, IrqAction::Trigger) {
            tracing::debug!(%error, "switching interrupts off");
        }
    }
}
