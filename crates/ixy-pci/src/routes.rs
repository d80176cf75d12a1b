//! The network interfaces that carry a default route: [`DefaultRoutes`].

use std::fs;
use std::path::Path;

/// The interfaces of the default routes in this network namespace.
#[derive(Debug)]
pub(crate) struct DefaultRoutes(Vec<String>);

impl DefaultRoutes {
    /// Reads the routes from `proc/net` below `root`.
    pub(crate) fn read(root: &Path) -> Self {
        let table = |name: &str| fs::read_to_string(root.join("proc/net").join(name)).unwrap_or_default();
        let (old, new) = (table("route"), table("ipv6_route"));
        // Interface, destination, gateway, flags, use counts, metric, mask; the first line has titles.
        let old = old.lines().skip(1).filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let all = columns.get(1) == Some(&"00000000") && columns.get(7) == Some(&"00000000");
            all.then(|| columns[0].to_owned())
        });
        // Destination and the length of its prefix, and eight more columns. Unreachable destinations are listed with
        // lo.
        let new = new.lines().filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let all = columns.first()?.bytes().all(|digit| digit == b'0') && columns.get(1) == Some(&"00");
            columns.get(9).filter(|&&name| all && name != "lo").map(|&name| name.to_owned())
        });
        Self(old.chain(new).collect())
    }

    /// Whether a default route leads through an interface, with its directory in sysfs, or through one above it.
    pub(crate) fn lead_through(&self, name: &str, directory: &Path) -> bool {
        let is_routed = |name: &str| self.0.iter().any(|route| route == name);
        is_routed(name) || uppers(directory).iter().any(|upper| is_routed(upper))
    }
}

/// The interfaces above the one with this directory, such as bridges, bonds and VLANs, and those above them.
fn uppers(interface: &Path) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), vec![interface.to_owned()]);
    while let Some(directory) = next.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let entry = entry.file_name().to_string_lossy().into_owned();
            let Some(name) = entry.strip_prefix("upper_") else { continue };
            if !found.iter().any(|one| one == name) {
                found.push(name.to_owned());
                next.push(directory.join(&entry));
            }
        }
    }
    found
}
