//! Names of kernel network interfaces that users write in place of an address: [`answer`].

use ixy_pci::{InterfaceOwner, Sysfs};

/// The answer to an interface name in place of an address; `None` when there is no such interface.
pub fn answer(sysfs: &Sysfs, name: &str) -> Option<String> {
    let owner = sysfs.interface_owner(name)?;
    Some(match owner {
        InterfaceOwner::Pci(info) => {
            let (address, id) = (info.address, info.id);
            let interface = info.interfaces.iter().find(|interface| interface.name == name);
            let instead = if interface.is_some_and(|interface| interface.default_route) {
                "it carries this machine's default route, so choose another card, or sim".to_owned()
            } else if interface.is_some_and(|interface| interface.up) {
                format!(
                    "it is up; if nothing needs it, run `sudo ip link set {name} down` and write {address} instead"
                )
            } else {
                format!(
                    "write {address} instead; `ixy-info {address}` shows what is missing before it can be opened"
                )
            };
            let driver = info.driver.map_or_else(String::new, |driver| format!(", kernel driver {driver}"));
            format!(
                "{name} is a network interface of the kernel, and its card is {address} ({id}{driver}): {instead}"
            )
        }
        InterfaceOwner::Bus(bus) => format!(
            "{name} is a network interface of the kernel, and its device is on the bus {bus}: ixy drives cards on the PCI \
             bus; `ixy-info` lists them"
        ),
        InterfaceOwner::Tap => format!(
            "{name} is a TAP interface of the kernel and has no card: sim:tap={name} plugs a software card into it"
        ),
        InterfaceOwner::Nothing(kind) => format!(
            "{name} is a network interface of the kernel without a card ({kind}): sim:tap=NAME plugs a software card into a \
             TAP interface of that name"
        ),
    })
}
