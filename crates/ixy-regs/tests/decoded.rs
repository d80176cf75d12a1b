//! A register's value in readable form.

#![allow(clippy::unwrap_used)] // tests

use ixy_regs::bus::Mmio;
use ixy_regs::{igb, ixgbe, virtio};

fn decoded(name: &str, value: u32) -> String {
    ixgbe::find(name).unwrap().decode(value).to_string()
}

#[test]
fn a_value_that_the_datasheet_names_is_printed_with_its_name() {
    assert_eq!(decoded("LINKS", 0x7000_0000), "LINK_SPEED=0x3(SPEED_10G) LINK_UP=0x1");
    assert_eq!(decoded("LINKS", 0x6000_0000), "LINK_SPEED=0x2(SPEED_1G) LINK_UP=0x1");
    let status = igb::find("STATUS").unwrap();
    let text = status.decode(u32::MAX).to_string();
    assert!(text.contains("(GBIT1"), "{text}");
}

#[test]
fn a_value_without_a_name_is_printed_as_a_number() {
    assert_eq!(decoded("MRQC", 0x0000_000f), "MRQE=0xf");
    assert_eq!(decoded("CTRL", 1 << 26), "RST=0x1");
}

#[test]
fn fields_that_are_zero_are_printed_only_by_the_alternate_form() {
    let links = ixgbe::find("LINKS").unwrap();
    assert_eq!(links.decode(0).to_string(), "");
    let all = format!("{:#}", links.decode(0));
    assert_eq!(all.split(' ').count(), links.fields().count(), "{all}");
    assert!(all.contains("LINK_UP=0x0"), "{all}");
}

#[test]
fn a_register_without_fields_decodes_to_nothing() {
    assert_eq!(decoded("RDBAL", 0x1234_5680), "");
}

#[test]
fn registers_of_eight_bits_are_decoded_as_well() {
    let mut table = virtio::net::Speed::<Mmio>::REGISTERS.iter();
    let duplex = table.find(|register| register.bits == 8).unwrap();
    assert_eq!(duplex.decode(1).to_string(), "MODE=0x1(FULL)");
    assert_eq!(duplex.decode(0xff).to_string(), "MODE=0xff(UNKNOWN)");
}

#[test]
fn every_field_of_every_register_can_be_printed_with_any_value() {
    let registers = ixgbe::all().chain(ixgbe::vf::all()).chain(igb::all());
    for register in registers {
        for value in [0, 1, 0x5555_5555, 0xaaaa_aaaa, u32::MAX] {
            let text = format!("{:#}", register.decode(value));
            let fields = text.split_whitespace().count();
            assert_eq!(fields, register.fields().count(), "{}: {text}", register.name);
        }
    }
}
