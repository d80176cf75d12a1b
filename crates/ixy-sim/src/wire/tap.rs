use std::{
    ffi::c_short,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{Mode, OFlags, open},
    io::{Errno, read, write},
    ioctl::{Updater, ioctl, opcode},
};

use super::{Wakes, Wire, WireError};

/// Bytes that the system keeps an interface's name in, with the zero at its end (`IFNAMSIZ`).
const NAME_BYTES: usize = 16;
/// The longest frame that can be received, in bytes.
const LONGEST_FRAME: usize = 65_536;

/// `struct ifreq` of Linux (linux/if.h) as TUNSETIFF uses it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; NAME_BYTES],
    flags: c_short,
    /// The rest of the union; its largest member has 24 bytes.
    rest: [u8; 22],
}

const _: () = assert!(size_of::<InterfaceRequest>() == 40);

/// `IFF_TAP`: frames from Ethernet's header on.
const TAP: c_short = 0x0002;
/// `IFF_NO_PI`: nothing in front of them.
const NO_PACKET_INFORMATION: c_short = 0x1000;

/// A network interface of the system whose cable leads here (TAP): what the system sends on it is received,
/// and the other way round.
///
/// An interface that is not there is made, and goes away with the wire. It is down at first; bring it up with
/// `ip link set NAME up`. While it is down the system drops what is sent to it.
pub struct Tap {
    name: String,
    device: OwnedFd,
    buffer: Box<[u8]>,
    /// Bytes of the front frame in the buffer; 0 for none.
    front: usize,
    gone: bool,
    transmit_closed: bool,
    /// The system had no room for the last frame.
    blocked: bool,
    error: Option<String>,
}

impl Tap {
    /// Opens the interface `name`, making it if needed.
    ///
    /// # Errors
    /// The name is no interface's name, TAP interfaces are not to be had here, or the right to one is
    /// missing.
    pub fn open(name: &str) -> Result<Self, WireError> {
        let bytes = name.as_bytes();
        let mut request =
            InterfaceRequest { name: [0; NAME_BYTES], flags: TAP | NO_PACKET_INFORMATION, rest: [0; 22] };
        let usable = !bytes.is_empty()
            && !matches!(name, "." | "..")
            && bytes.iter().all(|byte| byte.is_ascii_graphic() && !b"/:%".contains(byte));
        match request.name.get_mut(..bytes.len()) {
            Some(space) if usable && bytes.len() < NAME_BYTES => space.copy_from_slice(bytes),
            _ => {
                let expected =
                    "an interface's name has 1 to 15 letters, digits or signs without blanks, `/`, `:`, `%`";
                return Err(WireError::Value { option: "tap", value: name.into(), expected });
            }
        }
        let failed = |problem: String| {
            move |error: Errno| WireError::Tap { name: name.into(), problem, source: error.into() }
        };
        let device = open("/dev/net/tun", OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
        let device = device.map_err(|error| {
            let problem = match error {
                Errno::NOENT | Errno::NODEV | Errno::NXIO => {
                    "cannot open /dev/net/tun; load the kernel's tun module: modprobe tun"
                }
                _ => "cannot open /dev/net/tun; give yourself the right to, or run as root",
            };
            failed(problem.into())(error)
        })?;

        const SET_INTERFACE: rustix::ioctl::Opcode = opcode::write::<std::ffi::c_int>(b'T', 202);
        // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, 40 bytes at most, and nothing else;
        // `InterfaceRequest` has that layout (asserted above), any bytes are valid in it, and it is borrowed
        // for the call alone. The `int` in the number's encoding is history; the kernel's tun driver copies a
        // `struct ifreq` (linux/if_tun.h, drivers/net/tun.c).
        let result = unsafe { ioctl(&device, Updater::<SET_INTERFACE, InterfaceRequest>::new(&mut request)) };
        result.map_err(|error| {
            let problem = match error {
                Errno::PERM | Errno::ACCESS => format!(
                    "no permission (CAP_NET_ADMIN is needed); run as root, or make it once: \
                     ip tuntap add {name} mode tap user $USER"
                ),
                Errno::BUSY => "another program uses it; choose another name".into(),
                Errno::INVAL => "it is there and is no tap interface; choose another name".into(),
                _ => "cannot make it".into(),
            };
            failed(problem)(error)
        })?;
        Ok(Tap {
            name: name.into(),
            device,
            buffer: vec![0; LONGEST_FRAME].into(),
            front: 0,
            gone: false,
            transmit_closed: false,
            blocked: false,
            error: None,
        })
    }

    fn receive(&mut self) {
        if self.front > 0 || self.gone {
            return;
        }
        match read(&self.device, &mut *self.buffer) {
            Ok(length) => self.front = length,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => self.fail(error),
        }
    }

    /// The interface was removed, or worse.
    fn fail(&mut self, error: Errno) {
        self.gone = true;
        let name = self.name.clone();
        let problem = "the interface is gone".into();
        let error = WireError::Tap { name, problem, source: error.into() };
        self.error.get_or_insert_with(|| error.to_string());
    }
}

impl Wire for Tap {
    fn link_up(&mut self) -> bool {
        !self.gone
    }

    fn front(&mut self) -> Option<&[u8]> {
        self.receive();
        self.buffer.get(..self.front).filter(|frame| !frame.is_empty())
    }

    fn consume(&mut self) {
        self.receive();
        self.front = 0;
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        if frame.is_empty() || self.transmit_closed || self.gone {
            return true;
        }
        self.blocked = false;
        match write(&self.device, frame) {
            // An input/output error says that the interface is down, an invalid argument that the frame is
            // none.
            Ok(_) | Err(Errno::IO | Errno::INVAL) => true,
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM) => {
                self.blocked = true;
                false
            }
            Err(error) => {
                self.fail(error);
                true
            }
        }
    }

    fn close_transmit(&mut self) {
        self.transmit_closed = true;
    }

    fn waits(&self) -> bool {
        true
    }

    fn ended(&mut self) -> bool {
        self.gone && self.front == 0
    }

    fn flush(&mut self) -> Result<(), WireError> {
        Ok(())
    }

    fn error(&self) -> Option<String> {
        self.error.clone()
    }

    fn wakes(&self) -> Wakes<'_> {
        match (self.gone, self.blocked) {
            (true, _) => Wakes::NEVER,
            (_, true) => Wakes::SOON,
            // What is here already waits for a descriptor.
            _ if self.front > 0 => Wakes::NEVER,
            _ => Wakes::readable(self.device.as_fd()),
        }
    }
}
