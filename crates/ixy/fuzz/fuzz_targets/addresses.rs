//! Device addresses as users write them: an address that parses, prints as a text that parses to the same address.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use ixy_sim::SfpModule;
use ixy_sim::wire::{InterfaceAddress, WireSpec};
use libfuzzer_sys::fuzz_target;

fn check<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => {
            let again = value.to_string();
            assert_eq!(again.parse::<T>().ok().as_ref(), Some(&value), "{text:?} became {again:?}");
        }
        // The text itself may have several lines.
        Err(error) => assert!(error.to_string().lines().count() <= 1 + text.lines().count(), "{error}"),
    }
}

fuzz_target!(|text: &str| {
    check::<ixy::Address>(text);
    check::<ixy::MacAddress>(text);
    check::<ixy_pci::Address>(text);
    check::<ixy_pci::DeviceId>(text);
    check::<InterfaceAddress>(text);
    check::<SfpModule>(text);
    check::<WireSpec>(text);
    check::<ixy::Address>(&format!("sim:{text}"));
});
