//! The card as a PCI device: its configuration space as a driver of another process sees it, and its interrupts.
#![cfg(feature = "serve")]
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ixy_sim::serve::{Event, Port, Settings, Trace};
use ixy_sim::wire::{Cables, WireSpec};
use ixy_vfio_user::Error;
use ixy_vfio_user::client::Client;
use ixy_vfio_user::message::{Errno, IrqAction, IrqData, pci};
use ixy_vfio_user::server::Stop;
use std::os::unix::net::UnixStream;

const PORTS: u32 = 2;
const MESSAGES: u32 = 4;
const COMMAND: u64 = 0x04;
const CTRL: u64 = 0x00000;
const LEDCTL: u64 = 0x00200;
const EICR: u64 = 0x00800;
const EICS: u64 = 0x00808;
const EIMS: u64 = 0x00880;
const GPIE: u64 = 0x00898;
const IVAR_MISC: u64 = 0x00a00;

/// The events of a port, as text.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Trace for Told {
    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

/// A client of a card that a thread serves, with memory decoding on.
struct Harness<'c> {
    client: &'c Client,
}

/// Runs `test` with a card, and stops its server.
fn with_card(test: impl FnOnce(&Harness<'_>)) {
    with_told(|harness, _| test(harness));
}

fn with_told(test: impl FnOnce(&Harness<'_>, &Told)) {
    let told = Told::default();
    let wire = "loopback".parse::<WireSpec>().unwrap().connect(&Cables::default()).unwrap();
    let trace = Some(Arc::new(told.clone()) as Arc<dyn Trace>);
    let settings = Settings { mac: Some([0, 0x1b, 0x21, 0xaa, 0xbb, 0xcc]), trace, ..Settings::default() };
    let port = Port::new(wire, settings).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    std::thread::scope(|scope| {
        let stop = Stop::new().unwrap();
        scope.spawn(move || port.server().serve_one(theirs, &mut port.function(), &stop));
        let client = Client::over(ours, Duration::from_secs(20)).unwrap();
        let harness = Harness { client: &client };
        harness.set16(COMMAND, 0x0007);
        test(&harness, &told);
        assert!(client.lost().is_none(), "{:?}", client.lost());
        // The server stops with its client.
    });
}

impl Harness<'_> {
    fn read<const N: usize>(&self, region: u32, offset: u64) -> [u8; N] {
        let mut bytes = [0; N];
        self.client.read(region, offset, &mut bytes).unwrap();
        bytes
    }

    fn write(&self, region: u32, offset: u64, bytes: &[u8]) {
        // SAFETY: ARMED-ONLY: no test here enables a ring.
        unsafe { self.client.write(region, offset, bytes) }.unwrap();
    }

    fn config8(&self, offset: u64) -> u8 {
        self.read::<1>(pci::CONFIG, offset)[0]
    }

    fn config16(&self, offset: u64) -> u16 {
        u16::from_le_bytes(self.read(pci::CONFIG, offset))
    }

    fn config32(&self, offset: u64) -> u32 {
        u32::from_le_bytes(self.read(pci::CONFIG, offset))
    }

    fn set16(&self, offset: u64, value: u16) {
        self.write(pci::CONFIG, offset, &value.to_le_bytes());
    }

    fn set32(&self, offset: u64, value: u32) {
        self.write(pci::CONFIG, offset, &value.to_le_bytes());
    }

    fn register(&self, offset: u64) -> u32 {
        u32::from_le_bytes(self.read(pci::BAR0, offset))
    }

    fn set(&self, offset: u64, value: u32) {
        self.write(pci::BAR0, offset, &value.to_le_bytes());
    }

    /// The error number of an access.
    fn refused(&self, result: Result<(), Error>) -> Errno {
        match result {
            Err(Error::Refused { errno, .. }) => errno,
            other => panic!("it is not refused: {other:?}"),
        }
    }

    fn interrupts(&self, kind: u32, count: u32) -> Vec<OwnedFd> {
        self.client.interrupts(kind, count).unwrap()
    }
}

/// Number of signals of an event since the last call.
fn count(event: &OwnedFd) -> u64 {
    let mut bytes = [0; 8];
    rustix::io::read(event, &mut bytes).map_or(0, |_| u64::from_ne_bytes(bytes))
}

#[test]
fn ids_class_and_capabilities_are_those_of_an_82599() {
    with_card(|card| {
        assert_eq!(card.config32(0x00), 0x10fb_8086);
        assert_eq!(card.config32(0x08) >> 8, 0x02_00_00, "an Ethernet controller");
        assert_eq!(card.config32(0x2c), 0x0003_8086);
        assert_eq!(card.config8(0x3d), 1, "interrupt pin A");
        assert_eq!(card.config32(0x30), 0, "no expansion ROM");
        let kinds = [pci::INTX, pci::MSI, pci::MSIX, pci::ERR, pci::REQ];
        assert_eq!(kinds.map(|kind| card.client.irq(kind).unwrap().count), [1, 1, 64, 1, 0]);
        let mut found = Vec::new();
        let mut at = card.config8(0x34);
        while at != 0 && found.len() < 20 {
            found.push((card.config8(at.into()), at));
            at = card.config8(u64::from(at) + 1);
        }
        assert_eq!(found, [(0x01, 0x40), (0x05, 0x50), (0x11, 0x70), (0x10, 0xa0), (0x03, 0xe0)]);
        assert_eq!(card.config16(0x06) & 1 << 4, 1 << 4, "the status says that there is a list");
        let mut extended = Vec::new();
        let mut at = 0x100;
        while at != 0 && extended.len() < 20 {
            let header = card.config32(at);
            extended.push((header & 0xffff, at));
            at = u64::from(header >> 20);
        }
        assert!(
            extended.starts_with(&[(0x0001, 0x100), (0x0003, 0x140), (0x000e, 0x150), (0x0010, 0x160)]),
            "{extended:x?}"
        );
        assert_eq!(card.read(pci::CONFIG, 0x144), [0xcc, 0xbb, 0xaa, 0xff, 0xff, 0x21, 0x1b, 0x00]);
        assert_eq!(card.config32(0xa4) >> 28 & 1, 1, "it has a function level reset");
        // What Linux reads at fixed places: Device Status and Link Status (eight lanes at 5 GT/s).
        assert_eq!((card.config16(0xaa) & 1 << 5, card.config16(0xb2)), (0, 0x1082));
    });
}

#[test]
fn bars_tell_their_sizes() {
    with_card(|card| {
        for (bar, kind, size) in [(0x10, 0xc, 0x80000), (0x18, 1, 32), (0x20, 0xc, 0x4000)] {
            card.set32(bar, u32::MAX);
            assert_eq!(card.config32(bar), !(size - 1) | kind, "BAR at {bar:#x}");
            let (address, low) = (0xfe00_0000 & !(size - 1), if kind == 1 { 3 } else { 0xf });
            card.set32(bar, address | low);
            assert_eq!(card.config32(bar), address | kind, "the kind cannot be written");
        }
        card.set32(0x1c, u32::MAX);
        assert_eq!(card.config32(0x1c), 0, "there is no such BAR");
        for upper in [0x14, 0x24] {
            card.set32(upper, u32::MAX);
            assert_eq!(card.config32(upper), u32::MAX, "a 64-bit address");
        }
        let sizes = [0, 2, 4, 7].map(|region| card.client.region(region).unwrap().0.info.size);
        assert_eq!(sizes, [0x80000, 32, 0x4000, 4096]);
        assert_eq!(card.client.region(pci::ROM).unwrap().0.info.size, 0);
    });
}

#[test]
fn behind_the_registers_the_bar_is_zeros() {
    with_card(|card| {
        for offset in [0x20000, 0x40008, 0x7fffc] {
            card.set(offset, 5);
            assert_eq!(card.register(offset), 0, "{offset:#x}");
        }
        card.set16(COMMAND, 0);
        assert_eq!(card.register(0x20000), u32::MAX, "memory is not decoded");
    });
}

#[test]
fn registers_are_answered_only_while_memory_is_decoded_and_the_card_is_awake() {
    with_card(|card| {
        card.set(LEDCTL, 0x1234_5678);
        card.set16(COMMAND, 0);
        card.set(LEDCTL, 1);
        assert_eq!(card.register(LEDCTL), u32::MAX);
        card.set16(COMMAND, 2);
        assert_eq!(card.register(LEDCTL), 0x1234_5678);
        card.set16(0x44, 3);
        assert_eq!(card.register(LEDCTL), u32::MAX);
        card.set16(0x44, 1);
        assert_eq!(card.config16(0x44) & 3, 3, "there is no D1");
        card.set16(0x44, 0);
        card.set16(COMMAND, 2);
        assert_eq!(card.register(LEDCTL), 0);
        card.set16(0x44, 1);
        assert_eq!(card.config16(0x44) & 3, 0, "there is no D1");
    });
}

#[test]
fn the_card_wakes_up_as_after_a_reset_as_it_does_not_say_that_it_keeps_its_state() {
    with_told(|card, told| {
        assert_eq!(card.config16(0x44) & 1 << 3, 0, "No_Soft_Reset");
        card.set(LEDCTL, 5);
        card.set32(0x10, 0xfe00_0000);
        card.set16(0x72, 0x8000);
        card.write(MESSAGES, 0, &[0xff; 16]);
        card.set16(0x44, 3);
        assert_eq!((card.config32(0x10), card.config16(0x72)), (0xfe00_000c, 0x803f), "it sleeps");
        told.0.lock().unwrap().clear();
        card.set16(0x44, 0);
        assert!(told.0.lock().unwrap().contains(&"Reset".to_owned()));
        let state = (card.config16(COMMAND), card.config32(0x10), card.config16(0x72), card.config16(0x44));
        assert_eq!(state, (0, 0xc, 0x003f, 0x2000));
        card.set16(COMMAND, 2);
        assert_eq!(card.register(LEDCTL), 0);
        assert_eq!(card.read(MESSAGES, 0), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    });
}

#[test]
fn the_pin_is_low_while_the_card_sleeps() {
    with_card(|card| {
        let events = card.interrupts(pci::INTX, 1);
        card.set(EIMS, 1 << 20);
        card.set(EICS, 1 << 20);
        assert_eq!(count(&events[0]), 1);
        card.set16(0x44, 3);
        card.client.set_irqs(pci::INTX, 0, 1, IrqData::None, IrqAction::Unmask).unwrap();
        assert_eq!(count(&events[0]), 0);
    });
}

#[test]
fn the_ports_reach_registers_through_an_address_and_a_data_word() {
    with_card(|card| {
        card.write(PORTS, 0, &(LEDCTL as u32).to_le_bytes());
        card.write(PORTS, 4, &0xabcd_u32.to_le_bytes());
        assert_eq!(card.register(LEDCTL), 0xabcd);
        assert_eq!(u32::from_le_bytes(card.read(PORTS, 4)), 0xabcd);
        assert_eq!(u32::from_le_bytes(card.read(PORTS, 0)), LEDCTL as u32);
        card.write(PORTS, 0, &0x0080_0000_u32.to_le_bytes());
        assert_eq!(u32::from_le_bytes(card.read(PORTS, 4)), u32::MAX, "no register is there");
        card.set16(COMMAND, 2);
        assert_eq!(u32::from_le_bytes(card.read(PORTS, 4)), u32::MAX, "ports are not decoded");
    });
}

#[test]
fn accesses_that_the_card_does_not_have_are_refused_and_it_goes_on() {
    with_told(|card, told| {
        let read = |region, offset, len: usize| card.client.read(region, offset, &mut vec![0; len]);
        for (region, offset, len) in [
            (pci::BAR0, 0x80000, 4),
            (pci::BAR0, 0x7fffe, 4),
            (pci::BAR0, u64::MAX - 2, 4),
            (pci::BAR0, LEDCTL + 1, 4),
            (pci::BAR0, LEDCTL, 2),
            (PORTS, 1, 4),
            (PORTS, 8, 4),
            (pci::CONFIG, 4094, 4),
            (pci::ROM, 0, 4),
            (1, 0, 4),
            (9, 0, 4),
        ] {
            let errno = card.refused(read(region, offset, len));
            assert_eq!(errno, Errno::INVAL, "region {region}, {offset:#x}, {len} bytes");
        }
        // SAFETY: ARMED-ONLY: the write is refused.
        let narrow = unsafe { card.client.write(pci::BAR0, LEDCTL, &[1]) };
        assert_eq!(card.refused(narrow), Errno::INVAL);
        card.set(LEDCTL, 7);
        assert_eq!(card.read(pci::BAR0, LEDCTL), [7, 0, 0, 0, 0, 0, 0, 0], "two registers in one access");
        let told = told.0.lock().unwrap();
        let refusals: Vec<_> = told.iter().filter(|event| event.starts_with("Refused")).collect();
        assert_eq!(refusals.len(), 12, "{refusals:?}");
        assert!(refusals[11].contains("RegionWrite(") && refusals[11].contains("code: 22"), "{refusals:?}");
    });
}

#[test]
fn a_function_level_reset_and_a_reset_by_the_client_start_everything_anew() {
    with_told(|card, told| {
        for by_client in [false, true] {
            card.set16(COMMAND, 0x0407);
            card.set(LEDCTL, 5);
            card.set32(0x10, 0xfe00_0000);
            card.set16(0x72, 0x8000);
            card.write(MESSAGES, 0, &[0xff; 16]);
            told.0.lock().unwrap().clear();
            if by_client {
                card.client.reset().unwrap();
            } else {
                card.set16(0xa8, card.config16(0xa8) | 1 << 15);
            }
            assert!(told.0.lock().unwrap().contains(&"Reset".to_owned()));
            let state = (card.config16(COMMAND), card.config32(0x10), card.config16(0x72));
            assert_eq!(state, (0, 0xc, 0x003f), "by the client: {by_client}");
            assert_eq!(card.config16(0xa8) >> 15, 0, "the bit reads zero");
            card.set16(COMMAND, 2);
            assert_eq!(card.register(LEDCTL), 0);
            assert_eq!(card.read(MESSAGES, 0), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        }
    });
}

#[test]
fn errors_in_the_status_clear_when_one_is_written_and_nothing_sets_what_is_fixed() {
    with_card(|card| {
        for at in (0..4096).step_by(4) {
            // Neither sleep nor reset.
            if at != 0x44 && at != 0xa8 {
                card.set32(at, u32::MAX);
            }
        }
        assert_eq!(card.config32(0x00), 0x10fb_8086);
        assert_eq!(card.config16(0x06) & 0xf900, 0, "no error can be set by software");
        assert_eq!(card.config8(0x34), 0x40);
        assert_eq!(card.config16(0x72) & 0x07ff, 63, "64 MSI-X vectors");
        assert_eq!((card.config32(0x74), card.config32(0x78)), (4, 0x2004));
    });
}

/// Makes the "other" causes, among them link changes, raise vector 2.
fn raise_by_link(card: &Harness<'_>) {
    card.set(GPIE, 1 << 4);
    card.set(IVAR_MISC, 0x8200);
    card.set(EIMS, 1 << 20);
    card.register(EICR);
    card.set(EICS, 1 << 20);
}

#[test]
fn a_message_comes_as_an_event_and_waits_while_the_table_or_the_function_masks_it() {
    with_told(|card, told| {
        let events = card.interrupts(pci::MSIX, 4);
        raise_by_link(card);
        assert_eq!(events.iter().map(count).collect::<Vec<_>>(), [0, 0, 1, 0]);

        card.set16(0x72, 0xc000);
        raise_by_link(card);
        assert_eq!(count(&events[2]), 0, "the function is masked");
        assert_eq!(card.read(MESSAGES, 0x2000), [4, 0, 0, 0, 0, 0, 0, 0], "it is pending");
        card.set16(0x72, 0x8000);
        assert_eq!((count(&events[2]), card.read(MESSAGES, 0x2000)), (1, [0; 8]));

        // From the first write on, the table's masks count.
        card.write(MESSAGES, 2 * 16 + 12, &[1, 0, 0, 0]);
        raise_by_link(card);
        assert_eq!((count(&events[2]), card.read(MESSAGES, 0x2000)), (0, [4, 0, 0, 0, 0, 0, 0, 0]));
        card.write(MESSAGES, 2 * 16 + 12, &[0, 0, 0, 0]);
        assert_eq!((count(&events[2]), card.read(MESSAGES, 0x2000)), (1, [0; 8]));
        let told = told.0.lock().unwrap();
        let held = told.iter().filter(|event| event.starts_with("Message") && event.contains("held: true"));
        assert_eq!(held.count(), 2);
    });
}

#[test]
fn without_msix_there_is_one_message() {
    with_card(|card| {
        let events = card.interrupts(pci::MSI, 1);
        card.set(EIMS, 1 << 20);
        card.set(EICS, 1 << 20);
        assert_eq!(count(&events[0]), 1);
        card.set(EICS, 1 << 20);
        assert_eq!(count(&events[0]), 0, "the cause is there already");
        card.register(EICR);
        card.set(EICS, 1 << 20);
        assert_eq!(count(&events[0]), 1);
    });
}

#[test]
fn the_pin_is_a_level_that_goes_when_its_causes_go() {
    with_told(|card, told| {
        let events = card.interrupts(pci::INTX, 1);
        let unmask = || card.client.set_irqs(pci::INTX, 0, 1, IrqData::None, IrqAction::Unmask).unwrap();
        card.set(EIMS, 1 << 20);
        card.set(EICS, 1 << 20);
        assert_eq!((count(&events[0]), card.config16(0x06) >> 3 & 1), (1, 1));
        unmask();
        assert_eq!(count(&events[0]), 1, "the level is still there");
        card.register(EICR);
        unmask();
        assert_eq!((count(&events[0]), card.config16(0x06) >> 3 & 1), (0, 0));
        // Interrupt Disable.
        card.set16(COMMAND, 0x0406);
        card.set(EICS, 1 << 20);
        assert_eq!((count(&events[0]), card.config16(0x06) >> 3 & 1), (0, 1));
        card.set16(COMMAND, 0x0006);
        assert_eq!(count(&events[0]), 1);
        let told = told.0.lock().unwrap().join(" ");
        assert!(told.contains("Pin(true)") && told.contains("Pin(false)"), "{told}");
        // A card that is set to messages has no pin.
        unmask();
        count(&events[0]);
        card.set16(0x72, 0x8000);
        unmask();
        assert_eq!(count(&events[0]), 0);
    });
}

#[test]
fn a_reset_by_ctrl_leaves_the_configuration_alone() {
    with_card(|card| {
        card.set32(0x10, 0xfe00_0000);
        card.set(CTRL, 1 << 26);
        assert_eq!((card.config32(0x10), card.config16(COMMAND)), (0xfe00_000c, 7));
    });
}
