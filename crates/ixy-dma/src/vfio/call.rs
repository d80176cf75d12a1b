//! System calls on VFIO's files.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::ioctl::opcode;
use vfio_bindings::bindings::vfio::{VFIO_BASE, VFIO_TYPE};

/// The number of attempts for a call that signals interrupt.
const ATTEMPTS: u32 = 100;

/// Makes request `number` of VFIO, as ioctl(2) counts them: `VFIO_DEVICE_GET_INFO` is 7. The result is not
/// negative.
///
/// # Errors
/// The system's error.
///
/// # Safety
/// `argument` is what the request takes: a number in place of an address, or the address of a structure as long as
/// its field `argsz` says. The kernel may read the structure and, if the request answers in it, write it until
/// this returns. MAPPED-ALIVE: memory that the request makes a device reach stays in place until that ends.
pub unsafe fn request(file: BorrowedFd<'_>, number: u32, argument: *mut u8) -> io::Result<u32> {
    for _ in 0..ATTEMPTS {
        // SAFETY: as the caller promises.
        match unsafe { once(file, number, argument) } {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
    Err(io::ErrorKind::Interrupted.into())
}

/// Makes a request once.
///
/// # Safety
/// As for [`request`].
unsafe fn once(file: BorrowedFd<'_>, number: u32, argument: *mut u8) -> io::Result<u32> {
    #[cfg(test)]
    // SAFETY: as the caller promises.
    if let Some(answer) = unsafe { super::fake::answer(file, number, argument) } {
        return answer;
    }
    let code = opcode::none(VFIO_TYPE, (VFIO_BASE + number) as u8);
    // SAFETY: as the caller promises.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), code as _, argument) };
    u32::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Makes a request that answers in a structure to which the kernel appends capabilities. `head` is the structure,
/// with its length `argsz` in the first 32 bits; the result is all bytes of the answer.
///
/// # Errors
/// The system's error.
///
/// # Safety
/// The request answers in a structure of the length of `head`, writes as many bytes as `argsz` says at most, sets
/// `argsz` to how many it would have needed, and has no other effect.
pub unsafe fn query(file: BorrowedFd<'_>, number: u32, head: &[u32]) -> io::Result<Vec<u8>> {
    /// No answer is longer: a list of ranges has a few dozen.
    const LONGEST: usize = 1 << 16;
    let mut len = size_of_val(head);
    for _ in 0..3 {
        // Of 64-bit words, for the alignment of what the kernel stores in it.
        let mut answer = vec![0_u64; len.div_ceil(8)];
        // SAFETY: all of the vector's bytes are initialised, and any bytes are 32-bit words.
        let words =
            unsafe { std::slice::from_raw_parts_mut(answer.as_mut_ptr().cast::<u32>(), answer.len() * 2) };
        words[..head.len()].copy_from_slice(head);
        words[0] = len as u32;
        // SAFETY: the structure has `len` bytes in `answer`, to which there is no reference meanwhile; the rest is
        // promised.
        unsafe { request(file, number, answer.as_mut_ptr().cast()) }?;
        let bytes: Vec<u8> = answer.iter().flat_map(|word| word.to_ne_bytes()).take(len).collect();
        let needed = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        if needed <= len {
            return Ok(bytes);
        }
        if needed > LONGEST {
            return Err(io::Error::other(format!(
                "the kernel's answer has {needed} bytes, which is too long"
            )));
        }
        len = needed;
    }
    Err(io::Error::other("the kernel's answer became longer each time that it was asked for"))
}
