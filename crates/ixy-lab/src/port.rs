//! The test's end of a device's cable.

use std::{
    io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::net::{SendFlags, send};

use crate::{Error, error::at};

/// The time that [`Port::receive`] waits for a frame.
const PATIENCE: Duration = Duration::from_millis(5);

/// The number of attempts to send a frame that finds no room, and the pause between them.
const OFFERS: u32 = 20;
const PAUSE: Duration = Duration::from_micros(200);

/// The test's end of the cable: it receives the device's frames and sends to it. Frames have no frame check
/// sequence.
///
/// QEMU loses no frame on the way: a frame that the test does not take stays in the device's queue, and a frame
/// without a buffer in the device stays on this wire, which holds about ten.
#[derive(Debug)]
pub struct Port {
    name: String,
    socket: UnixDatagram,
}

impl Port {
    /// Creates the test's end, which must exist before QEMU's.
    pub(crate) fn bind(directory: &Path, name: &str) -> Result<Self, Error> {
        let path = directory.join(format!("{name}.test"));
        let socket = UnixDatagram::bind(&path).map_err(at(&path))?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(at(&path))?;
        Ok(Self { name: name.into(), socket })
    }

    pub(crate) fn connect(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(format!("{}.guest", self.name));
        self.socket.connect(&path).map_err(at(path))
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a frame to the device. `false` when there was no room: after some attempts the frame was dropped.
    ///
    /// # Errors
    /// The machine is gone.
    pub fn send(&self, frame: &[u8]) -> Result<bool, Error> {
        for _ in 0..OFFERS {
            match send(&self.socket, frame, SendFlags::DONTWAIT) {
                Ok(_) => return Ok(true),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS) => thread::sleep(PAUSE),
                Err(error) => return Err(self.error(error.into())),
            }
        }
        Ok(false)
    }

    /// Waits a few milliseconds for a frame from the device and puts it into `buffer`.
    ///
    /// # Errors
    /// The machine is gone.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>, Error> {
        match self.socket.recv(buffer) {
            Ok(count) => Ok(Some(&buffer[..count])),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Ok(None)
            }
            Err(error) => Err(self.error(error)),
        }
    }

    fn error(&self, source: io::Error) -> Error {
        at(PathBuf::from(format!("the wire of {}", self.name)))(source)
    }
}
