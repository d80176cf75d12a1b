//! The ports that the arguments ask for: [`Ports`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, value_parser};
use ixy_cli::Error;
use ixy_core::MacAddress;
use ixy_sim::wire::{Claim, WireKind, WireSpec};

/// Largest number of virtual functions in a card.
const FUNCTIONS: usize = 64;
/// The name of a cable that joins ports without a wire, before its number.
const JOINED: &str = "ixy-serve ";

/// The ports in their order. Each `--wire`, `--mac` and `--vf` belongs to the `--socket` before it.
#[derive(Debug, Clone)]
pub(crate) struct Ports(Vec<Given>);

#[derive(Debug, Clone)]
struct Given {
    socket: PathBuf,
    wire: Option<WireSpec>,
    mac: Option<MacAddress>,
    functions: Vec<PathBuf>,
}

/// A port with all its defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Port {
    pub(crate) socket: PathBuf,
    pub(crate) wire: WireSpec,
    pub(crate) mac: MacAddress,
    /// Sockets of its virtual functions, from the first on.
    pub(crate) functions: Vec<PathBuf>,
}

impl Port {
    /// Its sockets, and what its wire uses.
    pub(crate) fn claims(&self) -> Vec<Claim> {
        let socket = ("--socket", &self.socket);
        let sockets = std::iter::once(socket).chain(self.functions.iter().map(|path| ("--vf", path)));
        let sockets =
            sockets.map(|(option, path)| Claim::device(format!("{option} {}", path.display()), path));
        let wire = self.wire.kind.claims(&format!("the wire {} of {}", self.wire, self.socket.display()));
        sockets.chain(wire).collect()
    }
}

impl Ports {
    /// The ports, with wires and Ethernet addresses for those that have none.
    ///
    /// # Errors
    /// A socket or an address is named twice, or a cable has one end or three.
    pub(crate) fn checked(self) -> Result<Vec<Port>, Error> {
        let mut unwired = 0;
        let without = self.0.iter().filter(|given| given.wire.is_none()).count();
        let mut ports: Vec<Port> = Vec::new();
        let mut sockets: Vec<PathBuf> = Vec::new();
        for (n, Given { socket, wire, mac, functions }) in (1_u32..).zip(self.0) {
            let wire = wire.unwrap_or_else(|| {
                unwired += 1;
                let joined = unwired <= without / 2 * 2;
                let cable = || WireKind::Cable(format!("{JOINED}{}", unwired.div_ceil(2)));
                WireSpec { kind: if joined { cable() } else { WireKind::default() }, ..WireSpec::default() }
            });
            if mac.is_some() && wire.mac.is_some() {
                let path = socket.display();
                return Err(usage(format!(
                    "{path} has two Ethernet addresses: give --mac, or mac= in its wire"
                )));
            }
            let [_, b, c, d] = n.to_be_bytes();
            let mac = mac.or(wire.mac).unwrap_or(MacAddress([0x02, 0x1b, 0x21, b, c, d]));
            for path in std::iter::once(&socket).chain(&functions) {
                if sockets.iter().any(|other| ixy_pcap::same_place(other, path)) {
                    let path = path.display();
                    return Err(usage(format!(
                        "two devices are at the socket {path}: give each a socket of its own"
                    )));
                }
                sockets.push(path.clone());
            }
            if functions.len() > FUNCTIONS {
                let (path, count) = (socket.display(), functions.len());
                return Err(usage(format!(
                    "{path} has {count} virtual functions, and a card has {FUNCTIONS} at most: leave out some --vf"
                )));
            }
            if let Some(other) = ports.iter().find(|port| port.mac == mac) {
                let (one, other) = (socket.display(), other.socket.display());
                return Err(usage(format!(
                    "{one} and {other} have the same Ethernet address: give one of them another with --mac"
                )));
            }
            ports.push(Port { socket, wire, mac, functions });
        }
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        for port in &ports {
            if let WireKind::Cable(name) = &port.wire.kind {
                *ends.entry(name.clone()).or_default() += 1;
            }
        }
        let loose = ends.into_iter().find(|(_, count)| *count != 2).map(|(name, count)| match count {
            1 => format!("cable={name} has one end only: give another port the same wire"),
            _ => format!("cable={name} is given {count} times, and a cable has two ends: name another cable for the others"),
        });
        loose.map_or(Ok(ports), |what| Err(usage(what)))
    }
}

fn usage(what: String) -> Error {
    Error::Usage(what)
}

/// An Ethernet address that a single card can have.
fn mac(text: &str) -> Result<MacAddress, String> {
    match text.parse::<MacAddress>() {
        Err(_) => Err("write six bytes in hexadecimal, as in 02:00:00:00:00:01".into()),
        Ok(mac) if !mac.is_unicast() => Err(
            "it is no address of a single card; write one whose first byte is even, and that is not all zero"
                .into(),
        ),
        Ok(mac) => Ok(mac),
    }
}

impl clap::Args for Ports {
    fn augment_args(command: Command) -> Command {
        command.args([
            Arg::new("socket")
                .long("socket")
                .value_name("PATH")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf))
                .help("Serve a port at this socket; may be repeated, for several ports"),
            Arg::new("wire")
                .long("wire")
                .value_name("SPEC")
                .action(ArgAction::Append)
                .value_parser(value_parser!(String))
                .help("The wire of the port before it; --help lists the kinds"),
            Arg::new("mac")
                .long("mac")
                .value_name("ADDRESS")
                .action(ArgAction::Append)
                .value_parser(mac)
                .help("The Ethernet address of the port before it [default: 02:1b:21:00:00:01, and so on]"),
            Arg::new("vf")
                .long("vf")
                .value_name("PATH")
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf))
                .help("Serve a virtual function of the port before it at this socket; may be repeated"),
        ])
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Ports {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut ports: Vec<(usize, Given)> = placed::<PathBuf>(matches, "socket")
            .map(|(at, socket)| (at, Given { socket, wire: None, mac: None, functions: Vec::new() }))
            .collect();
        for (at, text) in placed::<String>(matches, "wire") {
            let given = before(&mut ports, at, "wire")?;
            if text == "sim" || text.starts_with("sim:") {
                return Err(wrong(format!(
                    "--wire cannot be `{text}`: write what follows `sim:`, such as loopback"
                )));
            }
            let wire: WireSpec = text.parse().map_err(|error| wrong(format!("--wire: {error}")))?;
            if given.wire.replace(wire).is_some() {
                return Err(twice("wire", given));
            }
        }
        for (at, mac) in placed::<MacAddress>(matches, "mac") {
            let given = before(&mut ports, at, "mac")?;
            if given.mac.replace(mac).is_some() {
                return Err(twice("mac", given));
            }
        }
        for (at, path) in placed::<PathBuf>(matches, "vf") {
            before(&mut ports, at, "vf")?.functions.push(path);
        }
        Ok(Self(ports.into_iter().map(|(_, given)| given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The values of an argument, with their positions on the command line.
fn placed<T: Clone + Send + Sync + 'static>(
    matches: &ArgMatches,
    id: &str,
) -> impl Iterator<Item = (usize, T)> {
    let places = matches.indices_of(id).into_iter().flatten();
    places.zip(matches.get_many::<T>(id).into_iter().flatten().cloned()).collect::<Vec<_>>().into_iter()
}

/// The port whose socket was named last before a position.
fn before<'p>(ports: &'p mut [(usize, Given)], at: usize, what: &str) -> Result<&'p mut Given, clap::Error> {
    let port = ports.iter_mut().rev().find(|(socket, _)| *socket < at).map(|(_, given)| given);
    port.ok_or_else(|| {
        wrong(format!(
            "there is no --socket before --{what}: write --{what} after the --socket that it is for"
        ))
    })
}

fn twice(what: &str, given: &Given) -> clap::Error {
    wrong(format!("--{what} is given twice for --socket {}: give it once", given.socket.display()))
}

/// The program's own error about its arguments.
fn wrong(text: String) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, text + "\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        ports: Ports,
    }

    fn ports(text: &str) -> Result<Vec<String>, String> {
        let words = std::iter::once("test").chain(text.split(' '));
        let ports = Only::try_parse_from(words).map_err(|error| error.to_string())?.ports.checked();
        let ports = ports.map_err(|error| error.to_string())?;
        Ok(ports
            .iter()
            .map(|p| format!("{} {} {:x}", p.socket.display(), p.wire, p.mac.octets()[5]))
            .collect())
    }

    #[test]
    fn wires_and_addresses_belong_to_the_socket_before_them() {
        let text = "--socket a --wire loopback --socket b --mac 02:00:00:00:00:aa --wire flood,size=100";
        assert_eq!(ports(text).unwrap(), ["a loopback 1", "b flood,size=100 aa"]);
    }

    #[test]
    fn ports_without_wires_are_joined_and_one_that_is_left_is_flooded() {
        assert_eq!(ports("--socket a").unwrap(), ["a flood 1"]);
        let two = ["a cable=ixy-serve 1 1", "b cable=ixy-serve 1 2"];
        assert_eq!(ports("--socket a --socket b").unwrap(), two);
        let five = ports("--socket a --socket b --socket x --wire loopback --socket c --socket d --socket e");
        let more = ["x loopback 3", "c cable=ixy-serve 2 4", "d cable=ixy-serve 2 5", "e flood 6"];
        assert_eq!(five.unwrap(), [&two[..], &more].concat());
    }

    #[test]
    fn virtual_functions_belong_to_the_socket_before_them() {
        let words = "test --socket a --vf b --wire loopback --vf c --socket d --wire flood --vf e".split(' ');
        let ports = Only::try_parse_from(words).unwrap().ports.checked().unwrap();
        let functions: Vec<_> = ports.iter().map(|port| port.functions.clone()).collect();
        assert_eq!(functions, [vec![PathBuf::from("b"), PathBuf::from("c")], vec![PathBuf::from("e")]]);
        let many: String = (0..65).map(|n| format!(" --vf f{n}")).collect();
        assert!(
            ports_of(&format!("--socket a{many}"))
                .contains("a has 65 virtual functions, and a card has 64 at most")
        );
        assert!(ports_of("--socket a --vf a").contains("two devices are at the socket a"));
    }

    fn ports_of(text: &str) -> String {
        ports(text).unwrap_err()
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, why) in [
            ("--wire loopback --socket a", "no --socket before --wire: write --wire after"),
            ("--socket a --wire loopback --wire flood", "--wire is given twice for --socket a"),
            ("--socket a --socket a", "two devices are at the socket a"),
            ("--vf a --socket b", "no --socket before --vf: write --vf after"),
            ("--socket a --wire cable=x", "cable=x has one end only"),
            (
                "--socket a --wire cable=x --socket b --wire cable=x --socket c --wire cable=x",
                "given 3 times, and a cable has two ends",
            ),
            ("--socket a --wire nonsense", "--wire: sim has no option `nonsense`"),
            (
                "--socket a --wire sim:loopback",
                "cannot be `sim:loopback`: write what follows `sim:`, such as loopback",
            ),
            ("--socket a --mac 01:00:00:00:00:01", "no address of a single card; write one"),
            ("--socket a --mac 02:00:00:00:01", "six bytes"),
            ("--socket a --mac 02:1b:21:00:00:02 --socket b", "the same Ethernet address"),
            ("--socket a --wire loopback,mac=02:1b:21:00:00:02 --socket b", "the same Ethernet address"),
            ("--socket a --wire mac=02:00:00:00:00:07 --mac 02:00:00:00:00:08", "two Ethernet addresses"),
            ("--socket a --socket ./a", "two devices are at the socket ./a"),
            ("--stats", "--stats"),
        ] {
            let told = ports(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
