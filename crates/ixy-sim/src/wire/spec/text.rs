//! A [`WireSpec`] as text, read and written.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use ixy_core::MacAddress;

use super::{WireKind, WireSpec};
use crate::model::{SfpModule, UnknownModule};
use crate::similar;
use crate::wire::{Faults, Flood, InterfaceAddress, TapSpec, WireError};

/// The options, as error messages list them.
const KNOWN: &str = "flood (the default), size=BYTES, flows=N, loopback, cable=NAME, socket=PATH, rx=FILE, \
                     tx=FILE, tap=NAME, up, mtu=BYTES, addr=ADDRESS/PREFIX, netns=NAME, mac=ADDRESS, module=KIND, \
                     link=up|down, pause=on|off, loss=P, dup=P, corrupt=P, delay=TIME, \
                     seed=N";

impl FromStr for WireSpec {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let mut given = Given::default();
        if !text.is_empty() {
            for (n, option) in split(text).iter().enumerate() {
                given.take(option, n > 0)?;
            }
        }
        given.finish()
    }
}

impl fmt::Display for WireSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut options = Vec::new();
        let mut with = |key: &str, value: &str| options.push(format!("{key}={}", value.replace(',', ",,")));
        match &self.kind {
            WireKind::Cable(name) => with("cable", name),
            WireKind::Socket(path) => with("socket", &path.to_string_lossy()),
            WireKind::Tap(TapSpec { name, namespace, up, mtu, addresses }) => {
                with("tap", name);
                if let Some(namespace) = namespace {
                    with("netns", namespace);
                }
                options.extend(up.then(|| "up".into()));
                options.extend(mtu.map(|mtu| format!("mtu={mtu}")));
                options.extend(addresses.iter().map(|address| format!("addr={address}")));
            }
            WireKind::Memory(_) => options.push("memory".into()),
            WireKind::Captures { rx, tx } => {
                for (key, path) in [("rx", rx), ("tx", tx)] {
                    if let Some(path) = path {
                        with(key, &path.to_string_lossy());
                    }
                }
            }
            WireKind::Loopback => options.push("loopback".into()),
            WireKind::Flood { size, flows } => {
                options.push("flood".into());
                let WireKind::Flood { size: usual_size, flows: usual_flows } = WireKind::default() else {
                    return Err(fmt::Error);
                };
                options.extend((*size != usual_size).then(|| format!("size={size}")));
                options.extend((*flows != usual_flows).then(|| format!("flows={flows}")));
            }
        }
        options.extend((self.module != SfpModule::default()).then(|| format!("module={}", self.module)));
        options.extend(self.mac.map(|mac| format!("mac={mac}")));
        options.extend(self.link_down.then(|| "link=down".into()));
        options.extend(self.pause_off.then(|| "pause=off".into()));
        let Faults { loss, dup, delay, corrupt, seed } = &self.faults;
        for (key, probability) in [("loss", *loss), ("dup", *dup), ("corrupt", *corrupt)] {
            options.extend((probability != 0.0).then(|| format!("{key}={probability}")));
        }
        options.extend((!delay.is_zero()).then(|| format!("delay={}us", microseconds(*delay))));
        options.extend((*seed != 0).then(|| format!("seed={seed}")));
        f.write_str(&options.join(","))
    }
}

/// The options read so far.
#[derive(Default)]
struct Given {
    spec: WireSpec,
    /// The options that occurred, in their one spelling.
    seen: Vec<&'static str>,
    size: Option<usize>,
    flows: Option<u32>,
    rx: Option<PathBuf>,
    tx: Option<PathBuf>,
    tap: TapSpec,
}

/// The names of all options.
const NAMES: [&str; 22] = [
    "flood", "size", "flows", "loopback", "cable", "socket", "rx", "tx", "tap", "module", "up", "mtu",
    "addr", "netns", "mac", "link", "pause", "loss", "dup", "corrupt", "delay", "seed",
];

/// The options that choose a wire; they exclude each other, except rx and tx.
const KINDS: [&str; 7] = ["flood", "loopback", "cable", "socket", "tap", "rx", "tx"];

impl Given {
    fn take(&mut self, option: &str, after_comma: bool) -> Result<(), WireError> {
        let (key, value) = match option.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (option, None),
        };
        let Some(key) = NAMES.into_iter().find(|name| *name == key) else {
            if key.is_empty() {
                return Err(WireError::NoOption);
            }
            let (option, similar) = (key.into(), similar(key, NAMES));
            return Err(WireError::UnknownOption { option, similar, after_comma, known: KNOWN });
        };
        if self.seen.contains(&key) && key != "addr" {
            return Err(WireError::Twice { option: key });
        }
        if KINDS.contains(&key) {
            let both_files = |other| matches!((other, key), ("rx", "tx") | ("tx", "rx"));
            if let Some(first) = self.seen.iter().find(|other| KINDS.contains(other) && !both_files(**other))
            {
                return Err(WireError::TwoWires { first, second: key });
            }
        }
        self.seen.push(key);

        let wrong =
            |expected| WireError::Value { option: key, value: value.unwrap_or_default().into(), expected };
        let text = || match value {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(WireError::NoValue { option: key }),
        };
        let faults = &mut self.spec.faults;
        match key {
            "flood" | "loopback" | "up" => {
                if value.is_some() {
                    return Err(wrong("leave out the `=` and what follows"));
                }
                match key {
                    "loopback" => self.spec.kind = WireKind::Loopback,
                    "up" => self.tap.up = true,
                    _ => {}
                }
            }
            "cable" => self.spec.kind = WireKind::Cable(text()?.into()),
            "socket" => self.spec.kind = WireKind::Socket(text()?.into()),
            "tap" => {
                self.tap.name = text()?.into();
                TapSpec::check_name(&self.tap.name)?;
            }
            "netns" => self.tap.namespace = Some(text()?.into()),
            "mtu" => {
                let mtu = text()?.parse().ok().filter(|mtu| TapSpec::MTUS.contains(mtu));
                self.tap.mtu = Some(mtu.ok_or_else(|| wrong("write a whole number from 68 to 1500"))?);
            }
            "addr" => {
                let expected =
                    "write an address and the length of its prefix, such as 10.0.0.1/24 or fd00::1/64";
                let address: InterfaceAddress = text()?.parse().map_err(|_| wrong(expected))?;
                address.check()?;
                if self.tap.addresses.iter().any(|other| other.is_ipv4() == address.is_ipv4()) {
                    return Err(wrong(
                        "an address of its kind is given already; give one IPv4 address, one IPv6 address, or both",
                    ));
                }
                self.tap.addresses.push(address);
            }
            "mac" => {
                let mac = text()?.parse().ok().filter(|mac: &MacAddress| mac.is_unicast());
                self.spec.mac = Some(mac.ok_or_else(|| wrong(WireSpec::MAC))?);
            }
            "rx" => self.rx = Some(text()?.into()),
            "tx" => self.tx = Some(text()?.into()),
            "size" => {
                let size = text()?.parse().ok().filter(|size| Flood::SIZES.contains(size));
                self.size = Some(size.ok_or_else(|| wrong("write a whole number from 60 to 1514"))?);
            }
            "flows" => {
                let flows = text()?.parse().ok().filter(|flows| (1..=Flood::FLOWS).contains(flows));
                self.flows = Some(flows.ok_or_else(|| wrong("write a whole number from 1 to 4096"))?);
            }
            "module" => {
                self.spec.module = text()?.parse().map_err(|_| wrong(UnknownModule::KINDS))?;
            }
            "link" => {
                self.spec.link_down =
                    choice(text()?, "up", "down").ok_or_else(|| wrong("write up or down"))?
            }
            "pause" => {
                self.spec.pause_off = choice(text()?, "on", "off").ok_or_else(|| wrong("write on or off"))?
            }
            "loss" | "dup" | "corrupt" => {
                let probability =
                    text()?.parse().ok().filter(|probability| (0.0..=1.0).contains(probability));
                let probability =
                    probability.ok_or_else(|| wrong("write a probability from 0 to 1, such as 0.01"))?;
                match key {
                    "loss" => faults.loss = probability,
                    "dup" => faults.dup = probability,
                    _ => faults.corrupt = probability,
                }
            }
            "delay" => {
                let delay = parse_delay(text()?);
                faults.delay = delay.ok_or_else(|| {
                    wrong(
                        "write a time from 0 to 10 s, such as 250us, 1.5ms or 2s; without a unit it is in microseconds",
                    )
                })?;
            }
            _ => {
                faults.seed = text()?
                    .parse()
                    .map_err(|_| wrong("write a whole number from 0 to 18446744073709551615"))?
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<WireSpec, WireError> {
        if self.rx.is_some() || self.tx.is_some() {
            self.spec.kind = WireKind::Captures { rx: self.rx, tx: self.tx };
        }
        let kind = *self.seen.iter().find(|option| KINDS.contains(option)).unwrap_or(&"flood");
        for &option in &self.seen {
            let (wire, named) = match option {
                "size" | "flows" => ("flood", "flood"),
                "up" | "mtu" | "addr" | "netns" => ("tap", "tap=NAME"),
                _ => continue,
            };
            if kind != wire {
                let other = self.seen.contains(&kind).then_some(kind);
                return Err(WireError::Stray { option, wire: named, other });
            }
        }
        match &mut self.spec.kind {
            _ if kind == "tap" => {
                self.tap.check()?;
                self.spec.kind = WireKind::Tap(self.tap);
            }
            WireKind::Flood { size, flows } => {
                *size = self.size.unwrap_or(*size);
                *flows = self.flows.unwrap_or(*flows);
            }
            _ => {}
        }
        Ok(self.spec)
    }
}

/// Splits at single commas; a doubled comma is part of the text.
fn split(text: &str) -> Vec<String> {
    let mut options = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        if next == ',' && rest.next_if_eq(&',').is_none() {
            options.push(String::new());
        } else if let Some(option) = options.last_mut() {
            option.push(next);
        }
    }
    options
}

fn choice(value: &str, off: &str, on: &str) -> Option<bool> {
    match value {
        _ if value == on => Some(true),
        _ if value == off => Some(false),
        _ => None,
    }
}

fn parse_delay(text: &str) -> Option<Duration> {
    let units = [("us", 1e3), ("ms", 1e6), ("s", 1e9), ("", 1e3)];
    let (number, nanoseconds) =
        units.into_iter().find_map(|(unit, length)| Some((text.strip_suffix(unit)?, length)))?;
    let delay: f64 = number.parse().ok()?;
    let delay = (delay * nanoseconds).round();
    (0.0..=10e9).contains(&delay).then(|| Duration::from_nanos(delay as u64))
}

/// Microseconds with as many decimals as needed.
fn microseconds(time: Duration) -> String {
    let text = format!("{}.{:03}", time.as_micros(), time.subsec_nanos() % 1000);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> WireSpec {
        text.parse().unwrap()
    }

    fn refusal(text: &str) -> String {
        text.parse::<WireSpec>().unwrap_err().to_string()
    }

    #[test]
    fn nothing_and_flood_are_the_same() {
        assert_eq!(parse(""), WireSpec::default());
        assert_eq!(parse("flood"), WireSpec::default());
        assert_eq!(parse("").to_string(), "flood");
        assert_eq!(parse("").kind, WireKind::Flood { size: 60, flows: 1 });
    }

    #[test]
    fn every_option_is_understood() {
        assert_eq!(parse("size=1514,flows=16").kind, WireKind::Flood { size: 1514, flows: 16 });
        assert_eq!(parse("loopback").kind, WireKind::Loopback);
        assert_eq!(parse("cable=a").kind, WireKind::Cable("a".into()));
        assert_eq!(parse("socket=/tmp/x").kind, WireKind::Socket("/tmp/x".into()));
        assert_eq!(parse("tap=ixy0").kind, WireKind::Tap(TapSpec::named("ixy0")));
        let tap = TapSpec {
            name: "t".into(),
            namespace: Some("red".into()),
            up: true,
            mtu: Some(1400),
            addresses: vec!["10.0.0.1/24".parse().unwrap(), "fd00::1/64".parse().unwrap()],
        };
        let spec = parse("addr=10.0.0.1/24,mtu=1400,tap=t,netns=red,up,mac=2:0:0:0:0:a,addr=fd00::1/64");
        assert_eq!((spec.kind, spec.mac), (WireKind::Tap(tap), Some(MacAddress([2, 0, 0, 0, 0, 10]))));
        let both = WireKind::Captures { rx: Some("in.pcap".into()), tx: Some("out.pcap".into()) };
        assert_eq!(parse("rx=in.pcap,tx=out.pcap").kind, both);
        assert_eq!(parse("tx=out.pcap,rx=in.pcap").kind, both);
        assert_eq!(parse("tap=a,module=active-dac").module, SfpModule::ActiveCopper);
        assert!(refusal("module=qsfp").contains("active-dac"), "{}", refusal("module=qsfp"));
        assert_eq!(parse("tx=-").kind, WireKind::Captures { rx: None, tx: Some("-".into()) });
        let spec = parse(
            "loopback,link=down,pause=off,loss=0.25,dup=1,corrupt=1e-3,delay=7,seed=18446744073709551615",
        );
        let faults =
            Faults { loss: 0.25, dup: 1.0, corrupt: 0.001, delay: Duration::from_micros(7), seed: u64::MAX };
        let module = SfpModule::default();
        assert_eq!(
            spec,
            WireSpec {
                kind: WireKind::Loopback,
                module,
                link_down: true,
                pause_off: true,
                faults,
                mac: None
            }
        );
        assert_eq!(parse("link=up,pause=on"), WireSpec::default());
    }

    #[test]
    fn delays_have_units() {
        for (text, nanoseconds) in [
            ("250", 250_000),
            ("250us", 250_000),
            ("1.5ms", 1_500_000),
            ("10s", 10_000_000_000),
            ("0.001", 1),
            ("0", 0),
        ] {
            assert_eq!(
                parse(&format!("delay={text}")).faults.delay,
                Duration::from_nanos(nanoseconds),
                "{text}"
            );
        }
        for text in ["-1", "11s", "ms", "s", "NaN", "inf", "10001ms", "1e300"] {
            assert!(
                refusal(&format!("delay={text}")).contains(&format!("`delay` cannot be `{text}`")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_doubled_comma_is_one_of_the_value() {
        let wanted = WireKind::Captures { rx: Some("a,b".into()), tx: Some("c".into()) };
        assert_eq!(parse("rx=a,,b,tx=c").kind, wanted);
        let wanted = WireKind::Captures { rx: Some("a,".into()), tx: Some("c".into()) };
        assert_eq!(parse("rx=a,,,tx=c").kind, wanted);
        assert_eq!(parse("rx=a,,,tx=c").to_string(), "rx=a,,,tx=c");
        assert_eq!(parse("cable=,,").kind, WireKind::Cable(",".into()));
        assert_eq!(parse("socket=/tmp/a=b").kind, WireKind::Socket("/tmp/a=b".into()));
    }

    #[test]
    fn an_unknown_option_is_named_and_the_valid_ones_are_listed() {
        for (text, option, meant) in [
            ("siez=60", "siez", "size"),
            ("loopback,siez=60", "siez", "size"),
            ("flod", "flod", "flood"),
            ("LOOPBACK", "LOOPBACK", "loopback"),
            ("tapp=ixy0", "tapp", "tap"),
            ("address=10.0.0.1/24", "address", "addr"),
        ] {
            let message = refusal(text);
            let wanted =
                format!("sim has no option `{option}`, but it has `{meant}`; the options are: flood");
            assert!(message.starts_with(&wanted) && !message.contains('\n'), "{text}: {message}");
        }
        let message = refusal("x");
        for key in KINDS.into_iter().chain([
            "size", "flows", "up", "mtu", "addr", "netns", "mac", "link", "pause", "loss", "dup", "corrupt",
            "delay", "seed",
        ]) {
            assert!(message.contains(key), "{message} lacks {key}");
        }
    }

    #[test]
    fn an_option_given_twice_is_named() {
        for key in [
            "rx=a",
            "tx=a",
            "cable=a",
            "socket=a",
            "tap=a",
            "mac=2:0:0:0:0:1",
            "up",
            "mtu=1500",
            "netns=a",
            "size=60",
            "flows=1",
            "link=up",
            "pause=on",
        ]
        .into_iter()
        .chain(["loss=0", "dup=0", "corrupt=0", "delay=0", "seed=0", "flood", "loopback"])
        {
            let name = key.split('=').next().unwrap();
            let message = refusal(&format!("{key},{key}"));
            assert!(message.contains(&format!("`{name}` is given twice")), "{message}");
        }
    }

    #[test]
    fn two_wires_are_refused_by_name() {
        let kinds = ["flood", "loopback", "cable=a", "socket=a", "tap=a", "rx=a", "tx=a"];
        for first in kinds {
            for second in kinds {
                let names = [first, second].map(|option| option.split('=').next().unwrap());
                let files = names.iter().all(|name| matches!(*name, "rx" | "tx"));
                if first != second && !files {
                    let message = refusal(&format!("{first},seed=1,{second}"));
                    let wanted = format!("`{}` and `{}` each name a wire", names[0], names[1]);
                    assert!(message.contains(&wanted), "{message}");
                }
            }
        }
    }

    #[test]
    fn an_option_of_another_wire_is_refused_with_the_wire_that_it_belongs_to() {
        for (text, wanted) in [
            ("size=64,cable=a", "`size` belongs to `flood`, and not to `cable`; leave one of them out"),
            ("rx=a,flows=2", "`flows` belongs to `flood`, and not to `rx`; leave one of them out"),
            ("socket=a,mtu=1500", "`mtu` belongs to `tap=NAME`, and not to `socket`; leave one of them out"),
            ("addr=10.0.0.1/8", "`addr` belongs to `tap=NAME`; add that, or leave `addr` out"),
            ("up,seed=1", "`up` belongs to `tap=NAME`; add that, or leave `up` out"),
        ] {
            assert_eq!(refusal(text), format!("sim option {wanted}"), "{text}");
        }
    }

    #[test]
    fn that_a_comma_is_written_twice_is_said_only_where_there_is_one() {
        let hint = "write it twice";
        assert!(refusal("rx=a,b.pcap").starts_with("sim has no option `b.pcap`; to put a comma in a value"));
        assert!(refusal("rx=a,,,b").contains(hint));
        for text in ["foo", "foo=1"] {
            let message = refusal(text);
            assert!(message.starts_with("sim has no option `foo`; the options are: flood"), "{message}");
            assert!(!message.contains(hint), "{message}");
        }
        for text in [",", "cable=a,", ",rx=a", "rx=a,=3"] {
            let message = refusal(text);
            assert!(message.starts_with("an option of sim is missing beside a comma"), "{text}: {message}");
        }
    }

    #[test]
    fn an_address_that_no_tap_interface_can_have_is_refused() {
        for (address, why) in [
            ("224.0.0.1/4", "it is a multicast address; write the address of one interface"),
            ("ff02::1/64", "it is a multicast address; write the address of one interface"),
            ("0.0.0.0/0", "it is no interface's address; write one such as 10.0.0.1/24"),
            ("::/64", "it is no interface's address; write one such as 10.0.0.1/24"),
            ("255.255.255.255/24", "it is the broadcast address; write the address of one interface"),
            ("::1/128", "it is the loopback address; write another"),
        ] {
            let message = refusal(&format!("tap=a,addr={address}"));
            let wanted = format!("sim option `addr` cannot be `{address}`: {why}");
            assert!(message.starts_with(&wanted), "{message}");
        }
        let message = refusal("tap=a,mtu=1279,addr=10.0.0.1/24,addr=fd00::1/64");
        let wanted = "sim option `mtu` cannot be `1279`: an IPv6 address needs an MTU from 1280 to 1500";
        assert!(message.starts_with(wanted), "{message}");
        assert!("tap=a,mtu=1280,addr=fd00::1/64".parse::<WireSpec>().is_ok());
        assert!("tap=a,mtu=68,addr=10.0.0.1/24".parse::<WireSpec>().is_ok());
    }

    #[test]
    fn values_out_of_range_are_refused_with_the_range() {
        for (text, wanted) in [
            ("size=59", "60 to 1514"),
            ("size=1515", "60 to 1514"),
            ("size=many", "60 to 1514"),
            ("flows=0", "1 to 4096"),
            ("flows=4097", "1 to 4096"),
            ("link=maybe", "up or down"),
            ("pause=down", "on or off"),
            ("loss=1.1", "0 to 1"),
            ("dup=-0.1", "0 to 1"),
            ("corrupt=NaN", "0 to 1"),
            ("seed=-1", "from 0 to 18446744073709551615"),
            ("tap=a/b", "write 1 to 15 letters"),
            ("tap=sixteen-letters-", "write 1 to 15 letters"),
            ("mtu=67", "68 to 1500"),
            ("mtu=1501", "68 to 1500"),
            ("addr=10.0.0.1", "such as 10.0.0.1/24"),
            ("addr=10.0.0.1/33", "such as 10.0.0.1/24"),
            ("addr=fd00::1/129", "fd00::1/64"),
            ("up=yes", "leave out the `=`"),
            ("mac=01:00:00:00:00:01", "the first one even"),
            ("mac=0:0:0:0:0:0", "not all zero"),
            ("mac=2:0:0:0:0", "six bytes"),
            ("flood=1", "leave out the `=`"),
            ("loopback=", "leave out the `=`"),
        ] {
            let message = refusal(text);
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            assert!(
                message.contains(&format!("`{key}` cannot be `{value}`")) && message.contains(wanted),
                "{message}"
            );
        }
    }

    #[test]
    fn an_option_without_the_value_that_it_needs_is_refused() {
        for text in ["pause=", "tap=a,addr=", "cable=", "rx"] {
            let option = text.rsplit(',').next().unwrap().trim_end_matches('=');
            assert_eq!(refusal(text), format!("sim option `{option}` needs a value: write {option}=VALUE"));
        }
    }

    #[test]
    fn an_interface_has_one_address_of_each_kind() {
        let message = refusal("tap=a,addr=10.0.0.1/24,addr=10.0.0.2/24");
        assert!(
            message.contains("`addr` cannot be `10.0.0.2/24`: an address of its kind is given already"),
            "{message}"
        );
    }

    fn taps() -> impl Strategy<Value = TapSpec> {
        let address = |ip: IpAddr, prefix: u8| InterfaceAddress::new(ip, prefix % 33).unwrap();
        let ipv4 = (any::<[u8; 4]>(), any::<u8>()).prop_map(move |(ip, prefix)| address(ip.into(), prefix));
        let ipv6 = (any::<[u8; 16]>(), any::<u8>()).prop_map(move |(ip, prefix)| address(ip.into(), prefix));
        let text = "[a-z,=-][a-z,=.-]{0,14}";
        let usable = |address: &InterfaceAddress| address.check().is_ok();
        let addresses = (
            prop::option::of(ipv4.prop_filter("usable", usable)),
            prop::option::of(ipv6.prop_filter("usable", usable)),
        );
        (text, prop::option::of(text), any::<bool>(), prop::option::of(TapSpec::MTUS), addresses).prop_map(
            |(name, namespace, up, mtu, (ipv4, ipv6))| {
                let addresses = ipv4.into_iter().chain(ipv6).collect();
                let mtu = mtu.map(|mtu| if ipv6.is_some() { mtu.max(1280) } else { mtu });
                TapSpec { name, namespace, up, mtu, addresses }
            },
        )
    }

    fn kinds() -> impl Strategy<Value = WireKind> {
        let name = || "[a-z,=/ :.é-]{1,12}";
        prop_oneof![
            (Flood::SIZES, 1..=Flood::FLOWS).prop_map(|(size, flows)| WireKind::Flood { size, flows }),
            Just(WireKind::Loopback),
            name().prop_map(WireKind::Cable),
            name().prop_map(|path| WireKind::Socket(path.into())),
            taps().prop_map(WireKind::Tap),
            (prop::option::of(name()), name(), any::<bool>()).prop_map(|(other, one, swap)| {
                let (one, other) = (Some(PathBuf::from(one)), other.map(PathBuf::from));
                let (rx, tx) = if swap { (other, one) } else { (one, other) };
                WireKind::Captures { rx, tx }
            }),
        ]
    }

    proptest! {
        #[test]
        fn the_normal_form_parses_to_the_same(
            kind in kinds(), module in prop::sample::select(&SfpModule::ALL[..]), link_down: bool, pause_off: bool,
            loss in 0.0..=1.0, dup in 0.0..=1.0, corrupt in 0.0..=1.0,
            delay in 0..10_000_000_000u64, seed: u64, mac in prop::option::of(any::<[u8; 6]>()),
        ) {
            let faults = Faults { loss, dup, corrupt, delay: Duration::from_nanos(delay), seed };
            let mac = mac.map(MacAddress).filter(|mac| mac.is_unicast());
            let spec = WireSpec { kind, module, link_down, pause_off, faults, mac };
            let text = spec.to_string();
            prop_assert_eq!(text.parse::<WireSpec>().unwrap(), spec, "{}", text);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[a-z,=0-9.]{0,40}") {
            let _ = text.parse::<WireSpec>();
        }
    }
}
