//! Prints every register of an 82599 in readable form: name, offset, value, fields.
//!
//! It reads a file that holds the device's register window: a dump of BAR 0, or the `resource0` file of a device in
//! sysfs.
//!
//! ```text
//! decode bar0.bin
//! sudo decode /sys/bus/pci/devices/0000:03:00.0/resource0 --only LINK --only CTRL
//! ```

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::ptr::NonNull;

use clap::Parser;
use ixy_regs::ixgbe;
use ixy_regs::map::Register;
use rustix::mm::{MapFlags, ProtFlags};

/// Prints every register of an 82599 with its fields.
///
/// Registers with a read side effect (statistics clear, interrupt causes clear, the semaphore is taken) are left
/// out unless --with-effects is given. Equal neighbours in an array share one line. Fields that are zero are not
/// printed.
#[derive(Parser)]
#[command(after_help = "Examples:\n  decode bar0.bin\n  decode bar0.bin --only RXDCTL --only TXDCTL\n  \
    decode /sys/bus/pci/devices/0000:03:00.0/resource0        (needs root)")]
struct Arguments {
    /// A dump of BAR 0, or the resource0 file of a device in sysfs.
    file: PathBuf,
    /// Also read registers with a read side effect. A driver that runs on the device loses counts and interrupts.
    #[arg(long)]
    with_effects: bool,
    /// Only registers whose name contains this text, ignoring case. May be repeated.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
}

/// A source of register values.
trait Window {
    /// Reads 32 bits at `offset`, which is aligned and inside the register map.
    fn read(&self, offset: u32) -> u32;
}

/// A dump in memory. Bytes after its end read as all ones, as on a bus.
struct Dump(Vec<u8>);

impl Window for Dump {
    fn read(&self, offset: u32) -> u32 {
        let start = offset as usize;
        let bytes = self.0.get(start..start + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_le_bytes(bytes.unwrap_or([0xff; 4]))
    }
}

/// The registers of a device, mapped for reading.
struct Mapped {
    base: NonNull<u32>,
}

impl Mapped {
    fn new(file: &File) -> io::Result<Self> {
        let (length, flags) = (ixgbe::WINDOW as usize, MapFlags::SHARED);
        // SAFETY: a new mapping at an address that the kernel chooses replaces no other.
        let base =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), length, ProtFlags::READ, flags, file, 0)? };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::Other)?;
        Ok(Self { base })
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: MAPPED-ALIVE: the mapping was made by `new` with this length, and no reference into it exists.
        // An error would mean that it is gone already.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), ixgbe::WINDOW as usize) };
    }
}

impl Window for Mapped {
    fn read(&self, offset: u32) -> u32 {
        let word = offset as usize / 4 % (ixgbe::WINDOW as usize / 4);
        // SAFETY: BUS-WINDOW: `word` was brought into the mapping's length; mappings are aligned to pages.
        u32::from_le(unsafe { self.base.add(word).read_volatile() })
    }
}

/// The file system type of sysfs (`SYSFS_MAGIC` of the kernel).
const SYSFS: rustix::fs::FsWord = 0x6265_6572;

fn open(path: &Path) -> Result<Box<dyn Window>, String> {
    let name = path.display();
    let file = File::open(path).map_err(|error| format!("cannot open {name}: {error}"))?;
    let length = file.metadata().map_err(|error| format!("cannot look at {name}: {error}"))?.len();
    let needed = u64::from(ixgbe::WINDOW);
    let is_device = rustix::fs::fstatfs(&file).is_ok_and(|stat| stat.f_type == SYSFS);
    if length < needed {
        return Err(format!(
            "{name} has {length} bytes and the registers of an 82599 take {needed}: is this a dump of its BAR 0?"
        ));
    }
    if is_device {
        let mapped =
            Mapped::new(&file).map_err(|error| format!("cannot map {name}: {error} (run as root?)"))?;
        return Ok(Box::new(mapped));
    }
    let dump = std::fs::read(path).map_err(|error| format!("cannot read {name}: {error}"))?;
    Ok(Box::new(Dump(dump)))
}

fn print(window: &dyn Window, arguments: &Arguments, out: &mut dyn Write) -> io::Result<()> {
    let status = ixgbe::find("STATUS").map_or(0, |register| window.read(register.spans[0].base));
    if status == u32::MAX {
        writeln!(
            out,
            "STATUS reads all ones: the device is gone or switched off, or this is no dump of one.\n"
        )?;
    }
    let wanted: Vec<_> = arguments.only.iter().map(|text| text.to_uppercase()).collect();
    let (mut with_effect, mut unreadable, mut shown) = (0, 0, 0);
    for register in ixgbe::all() {
        if !wanted.is_empty() && !wanted.iter().any(|text| register.name.contains(text.as_str())) {
            continue;
        }
        if !register.access.is_readable() {
            unreadable += 1;
        } else if register.access.reading_has_effect() && !arguments.with_effects {
            with_effect += 1;
        } else {
            shown += 1;
            print_register(window, register, out)?;
        }
    }
    writeln!(out, "\n{shown} registers shown.")?;
    if with_effect > 0 {
        writeln!(
            out,
            "{with_effect} left out because reading them has an effect (--with-effects reads them)."
        )?;
    }
    if unreadable > 0 {
        writeln!(out, "{unreadable} left out because reading them gives nothing that is defined.")?;
    }
    Ok(())
}

fn print_register(window: &dyn Window, register: &'static Register, out: &mut dyn Write) -> io::Result<()> {
    let is_array = register.len() > 1;
    let mut elements = register
        .spans
        .iter()
        .flat_map(|span| span.offsets())
        .enumerate()
        .map(|(n, offset)| (n, offset, window.read(offset)))
        .peekable();
    while let Some((first, offset, value)) = elements.next() {
        let mut last = first;
        while let Some((n, ..)) = elements.next_if(|&(_, _, next)| next == value) {
            last = n;
        }
        let name = match (is_array, first == last) {
            (false, _) => register.name.to_owned(),
            (true, true) => format!("{}[{first}]", register.name),
            (true, false) => format!("{}[{first}..={last}]", register.name),
        };
        writeln!(out, "{offset:#07x}  {name:<24} {value:#010x}  {}", register.section)?;
        let fields: Vec<_> = register.decode(value).set_fields().map(|field| field.to_string()).collect();
        for line in fields.chunks(6) {
            writeln!(out, "         {}", line.join("  "))?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let window = match open(&arguments.file) {
        Ok(window) => window,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::FAILURE;
        }
    };
    match print(&*window, &arguments, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has closed it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // tests

    use super::*;
    use std::cell::RefCell;
    use std::collections::HashMap;

    /// Registers in memory that record reads.
    #[derive(Default)]
    struct Memory {
        values: HashMap<u32, u32>,
        read: RefCell<Vec<u32>>,
    }

    impl Window for Memory {
        fn read(&self, offset: u32) -> u32 {
            self.read.borrow_mut().push(offset);
            self.values.get(&offset).copied().unwrap_or(0)
        }
    }

    fn decoded(memory: &Memory, options: &[&str]) -> String {
        let line = ["decode", "file"].iter().chain(options);
        let arguments = Arguments::try_parse_from(line).unwrap();
        let mut out = Vec::new();
        print(memory, &arguments, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_register_is_shown_with_offset_value_section_and_fields() {
        let memory = Memory { values: HashMap::from([(0x42a4, 0x7000_0000)]), ..Memory::default() };
        let text = decoded(&memory, &[]);
        assert!(text.contains("0x042a4  LINKS                    0x70000000  8.2.3.22.20"), "{text}");
        assert!(text.contains("LINK_SPEED=0x3(SPEED_10G)  LINK_UP=0x1"), "{text}");
    }

    #[test]
    fn equal_neighbours_of_an_array_stand_in_one_line() {
        let memory = Memory { values: HashMap::from([(0x5208, 5)]), ..Memory::default() };
        let text = decoded(&memory, &["--only", "mta"]);
        for line in ["MTA[0..=1]", "MTA[2] ", "MTA[3..=127]"] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(text.contains("1 registers shown"), "{text}");
    }

    #[test]
    fn registers_whose_reading_has_an_effect_are_read_only_when_asked_for() {
        let effects = |memory: &Memory| -> Vec<u32> {
            let has_effect = |offset: &u32| {
                ixgbe::at(*offset).is_some_and(|(register, _)| {
                    register.access.reading_has_effect() || !register.access.is_readable()
                })
            };
            memory.read.borrow().iter().copied().filter(has_effect).collect()
        };
        let memory = Memory::default();
        let text = decoded(&memory, &[]);
        assert_eq!(effects(&memory), []);
        assert!(text.contains("left out because reading them has an effect"), "{text}");

        let memory = Memory::default();
        let text = decoded(&memory, &["--with-effects"]);
        assert!(effects(&memory).contains(&0x4074), "GPRC was not read");
        assert!(effects(&memory).contains(&0x0800), "EICR was not read");
        assert!(!effects(&memory).contains(&0x0888), "EIMC was read");
        assert!(text.contains("GPRC"), "{text}");
    }

    #[test]
    fn a_device_that_is_gone_is_named() {
        let memory = Memory { values: HashMap::from([(8, u32::MAX)]), ..Memory::default() };
        assert!(decoded(&memory, &["--only", "STATUS"]).starts_with("STATUS reads all ones"));
    }

    #[test]
    fn a_dump_is_read_and_a_short_or_missing_one_is_refused_by_name() {
        let path = std::env::temp_dir().join(format!("ixy-regs-decode-{}", std::process::id()));
        let mut dump = vec![0; 0x20000];
        dump[0x10010..0x10014].copy_from_slice(&0x300u32.to_le_bytes());
        std::fs::write(&path, &dump).unwrap();
        assert_eq!(open(&path).unwrap().read(0x10010), 0x300);
        assert_eq!(Mapped::new(&File::open(&path).unwrap()).unwrap().read(0x10010), 0x300);
        std::fs::write(&path, &dump[..4096]).unwrap();
        let error = open(&path).err().unwrap();
        assert!(error.contains("has 4096 bytes") && error.contains("131072"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let error = open(&path).err().unwrap();
        assert!(error.contains("cannot open") && error.contains(path.to_str().unwrap()), "{error}");
    }
}
