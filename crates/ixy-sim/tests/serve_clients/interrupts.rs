//! Messages that are held back: by requests, by the mask of MSI, by bus mastering.

use ixy_vfio_user::message::{IrqAction, IrqData, pci};

use crate::harness::*;

/// GPIE with MSI-X.
const MULTIPLE_MSIX: u32 = 1 << 4;
const MSI_CONTROL: u64 = 0x52;
const MSI_MASK: u64 = 0x60;

/// A port that may send messages, with all queue causes unmasked.
fn port() -> Port {
    let port = Port::new();
    port.command(MEMORY | MASTER);
    port
}

fn with_msix() -> Port {
    let port = port();
    port.set(GPIE, MULTIPLE_MSIX);
    port.set(EIMS_EX, u32::MAX);
    port.set(EIMS_EX + 4, u32::MAX);
    port
}

fn mask(port: &Port, kind: u32, action: IrqAction) {
    port.client.set_irqs(kind, 0, 1, IrqData::None, action).unwrap();
}

#[test]
fn each_vector_signals_its_eventfd_without_more_ado() {
    let port = with_msix();
    let events = port.client.interrupts(pci::MSIX, 64).unwrap();
    port.set(EICS_EX, 1 << 3);
    port.set(EICS_EX + 4, 1 << 31);
    let signalled: Vec<usize> = (0..64).filter(|n| signals(&events[*n]) > 0).collect();
    assert_eq!(signalled, [3, 63]);
}

#[test]
fn a_vector_that_is_masked_by_a_request_is_pending_too() {
    let port = with_msix();
    let events = port.client.interrupts(pci::MSIX, 64).unwrap();
    mask(&port, pci::MSIX, IrqAction::Mask);
    port.set(EICS_EX, 1);
    assert_eq!((signals(&events[0]), port.read32(TABLE, PENDING)), (0, 1));
    mask(&port, pci::MSIX, IrqAction::Unmask);
    assert_eq!((signals(&events[0]), port.read32(TABLE, PENDING)), (1, 0));
}

#[test]
fn a_reset_forgets_messages_that_requests_hold_back() {
    for by_client in [false, true] {
        let port = with_msix();
        let events = port.client.interrupts(pci::MSIX, 64).unwrap();
        for vector in [0, 63] {
            port.client.set_irqs(pci::MSIX, vector, 1, IrqData::None, IrqAction::Mask).unwrap();
        }
        port.set(EICS_EX, 1);
        port.set(EICS_EX + 4, 1 << 31);
        assert_eq!((port.read32(TABLE, PENDING), port.read32(TABLE, PENDING + 4)), (1, 1 << 31));
        if by_client {
            port.client.reset().unwrap();
        } else {
            port.write(pci::CONFIG, 0xa9, &[0x80]).unwrap();
        }
        port.command(MEMORY | MASTER);
        assert_eq!((port.read32(TABLE, PENDING), port.read32(TABLE, PENDING + 4)), (0, 0), "{by_client}");
        port.client.set_irqs(pci::MSIX, 0, 64, IrqData::None, IrqAction::Unmask).unwrap();
        assert_eq!(events.iter().map(signals).sum::<u64>(), 0, "by the client: {by_client}");
    }
}

#[test]
fn a_reset_forgets_the_message_of_msi_that_a_request_holds_back() {
    let port = port();
    let events = port.client.interrupts(pci::MSI, 1).unwrap();
    mask(&port, pci::MSI, IrqAction::Mask);
    port.set(EIMS, 1);
    port.set(EICS, 1);
    assert_eq!(port.config(0x64), 1, "it is pending");
    port.write(pci::CONFIG, 0xa9, &[0x80]).unwrap();
    assert_eq!(port.config(0x64), 0);
    mask(&port, pci::MSI, IrqAction::Unmask);
    assert_eq!(signals(&events[0]), 0);
}

#[test]
fn a_message_is_a_write_and_waits_for_bus_mastering() {
    let port = with_msix();
    let events = port.client.interrupts(pci::MSIX, 1).unwrap();
    port.command(MEMORY);
    port.set(EICS_EX, 1);
    assert_eq!(signals(&events[0]), 0);
    port.command(MEMORY | MASTER);
    assert_eq!(signals(&events[0]), 1);
}

#[test]
fn msi_is_one_message_which_its_mask_holds_back() {
    let port = port();
    let events = port.client.interrupts(pci::MSI, 1).unwrap();
    port.write(pci::CONFIG, MSI_CONTROL, &[0x81]).unwrap();
    port.set(EIMS, 1);
    port.set(EICS, 1);
    assert_eq!(signals(&events[0]), 1);
    port.get(EICR);
    port.write(pci::CONFIG, MSI_MASK, &[1]).unwrap();
    port.set(EICS, 1);
    assert_eq!((signals(&events[0]), port.config(0x64)), (0, 1), "it is pending");
    port.write(pci::CONFIG, MSI_MASK, &[0]).unwrap();
    assert_eq!((signals(&events[0]), port.config(0x64)), (1, 0));
}
