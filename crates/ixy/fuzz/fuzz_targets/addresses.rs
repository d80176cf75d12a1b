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
        // A message quotes the text as it is, here and there more than once; the programs escape what they print. So it
        // is one line when the text is.
        Err(error) => {
            let message = error.to_string();
            assert!(text.contains('\n') || !message.contains('\n'), "{text:?}: {message:?}");
        }
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
