//! Files mapped into this process: [`Mapping`].

use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use rustix::fs::{FileType, SealFlags, fcntl_get_seals, fstat};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::message::Errno;

/// A mapped piece of a file, shared with other processes. Their changes show here at any time, and are never
/// undefined behaviour: all accesses are atomic.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    writable: bool,
}

// SAFETY: Mapping owns its mapping, which belongs to no thread.
unsafe impl Send for Mapping {}
// SAFETY: a shared Mapping gives out copies and atomics only.
unsafe impl Sync for Mapping {}

/// Whether the file of `fd` can never shrink, so that accesses inside it cannot kill this process.
pub(crate) fn is_sealed(fd: BorrowedFd<'_>) -> bool {
    fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SealFlags::SHRINK))
}

/// Whether `len` bytes from `offset` on lie inside the regular file `fd`.
pub(crate) fn is_inside(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Result<bool, Errno> {
    let stat = fstat(fd)?;
    let end = offset.checked_add(len);
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && end.is_some_and(|end| end <= size))
}

impl Mapping {
    /// Maps `len` bytes of a sealed file from `offset` on.
    ///
    /// # Errors
    /// `EINVAL`: the file can shrink, is too short, or `offset` is not a multiple of a page; or the system's
    /// error, such as `EACCES` for a writable mapping of a file that is not open for writing.
    pub(crate) fn new(fd: BorrowedFd<'_>, offset: u64, len: usize, writable: bool) -> Result<Self, Errno> {
        // The seal is checked before the length: a file that is long enough after it was sealed stays so.
        if !is_sealed(fd) || !is_inside(fd, offset, len as u64)? {
            return Err(Errno::INVAL);
        }
        let protection = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let base = unsafe { mmap(std::ptr::null_mut(), len, protection, MapFlags::SHARED, fd, offset) }?;
        let base = NonNull::new(base.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { base, len, writable })
    }

    /// Its first byte.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The word of `T`'s size at `offset`, if it is inside and aligned.
    fn word<T>(&self, offset: usize) -> Option<&T> {
        let inside = offset.checked_add(size_of::<T>())? <= self.len;
        if !inside || !offset.is_multiple_of(size_of::<T>()) {
            return None;
        }
        // SAFETY: MAPPED-ALIVE: the mapping lives as long as `self`, and its file is sealed, so that each page of it
        // is there. The word is inside, and aligned as the base is a page's. `T` is one of the atomics, here and for
        // other processes; only `load*` reach one that is not writable.
        Some(unsafe { self.base.add(offset).cast::<T>().as_ref() })
    }

    /// The 64-bit words from `offset` on, if all are inside, aligned and writable.
    pub(crate) fn words(&self, offset: usize, count: usize) -> Option<&[AtomicU64]> {
        let end = offset.checked_add(count.checked_mul(8)?)?;
        if end > self.len || !offset.is_multiple_of(8) || !self.writable {
            return None;
        }
        // SAFETY: as in `word`, for all of them.
        Some(unsafe { std::slice::from_raw_parts(self.base.add(offset).cast().as_ptr(), count) })
    }

    /// Copies from `offset` on; `false` when that is outside.
    pub(crate) fn read(&self, offset: usize, into: &mut [u8]) -> bool {
        if offset.checked_add(into.len()).is_none_or(|end| end > self.len) {
            return false;
        }
        let (head, body) = split(offset, into.len());
        let (first, rest) = into.split_at_mut(head);
        let (words, last) = rest.split_at_mut(body);
        self.read_bytes(offset, first);
        for (n, bytes) in words.chunks_exact_mut(8).enumerate() {
            let word = self.word::<AtomicU64>(offset + head + 8 * n);
            bytes.copy_from_slice(&word.map_or(0, |word| word.load(Ordering::Relaxed)).to_ne_bytes());
        }
        self.read_bytes(offset + head + body, last);
        true
    }

    fn read_bytes(&self, offset: usize, into: &mut [u8]) {
        for (n, byte) in into.iter_mut().enumerate() {
            *byte = self.word::<AtomicU8>(offset + n).map_or(0, |word| word.load(Ordering::Relaxed));
        }
    }

    /// Copies to `offset`; `false` when that is outside or not writable, and then nothing was written.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) -> bool {
        if !self.writable || offset.checked_add(bytes.len()).is_none_or(|end| end > self.len) {
            return false;
        }
        let (head, body) = split(offset, bytes.len());
        let (first, rest) = bytes.split_at(head);
        let (words, last) = rest.split_at(body);
        self.write_bytes(offset, first);
        for (n, bytes) in words.chunks_exact(8).enumerate() {
            let value = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
            if let Some(word) = self.word::<AtomicU64>(offset + head + 8 * n) {
                word.store(value, Ordering::Relaxed);
            }
        }
        self.write_bytes(offset + head + body, last);
        true
    }

    fn write_bytes(&self, offset: usize, bytes: &[u8]) {
        for (n, byte) in bytes.iter().enumerate() {
            if let Some(word) = self.word::<AtomicU8>(offset + n) {
                word.store(*byte, Ordering::Relaxed);
            }
        }
    }
}

/// The number of bytes before the first aligned word of `len` bytes at `offset`, and the number in whole words.
fn split(offset: usize, len: usize) -> (usize, usize) {
    let head = (offset.wrapping_neg() % 8).min(len);
    (head, (len - head) / 8 * 8)
}

/// Loads and stores of one width.
macro_rules! words {
    ($($load:ident, $store:ident, $atomic:ty, $value:ty;)+) => {
        impl Mapping {
            $(
                /// An acquire load of an aligned word.
                #[inline]
                pub(crate) fn $load(&self, offset: usize) -> Option<$value> {
                    self.word::<$atomic>(offset).map(|word| word.load(Ordering::Acquire))
                }

                /// A release store of an aligned word; `false` when it is outside, misaligned or not writable.
                #[inline]
                pub(crate) fn $store(&self, offset: usize, value: $value) -> bool {
                    let word = if self.writable { self.word::<$atomic>(offset) } else { None };
                    word.inspect(|word| word.store(value, Ordering::Release)).is_some()
                }
            )+
        }
    };
}

words! {
    load64, store64, AtomicU64, u64;
    load32, store32, AtomicU32, u32;
    load16, store16, AtomicU16, u16;
    load8, store8, AtomicU8, u8;
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and MAPPED-ALIVE says that no handle to it is left.
        if let Err(error) = unsafe { munmap(self.base.as_ptr().cast(), self.len) } {
            tracing::warn!(%error, bytes = self.len, "unmapping shared memory failed");
        }
    }
}
