//! A lock for critical sections of a few nanoseconds: it spins, then yields.

#[cfg(not(loom))]
pub(crate) use spin::Lock;

/// The stand-in that the model checker understands: it explores every order in which threads get the lock, which a
/// loop that spins would make endless.
#[cfg(loom)]
pub(crate) struct Lock<T>(loom::sync::Mutex<T>);

#[cfg(loom)]
impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn with<R>(&self, action: impl FnOnce(&mut T) -> R) -> R {
        action(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[cfg(not(loom))]
mod spin {
    use std::cell::UnsafeCell;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Tries before the processor is given away: a holder that runs is done sooner, one that does not needs it.
    const SPINS: u32 = 64;

    pub(crate) struct Lock<T> {
        locked: AtomicBool,
        value: UnsafeCell<T>,
    }

    // SAFETY: `with` gives the value to one thread at a time, so sharing the lock moves the value between threads.
    unsafe impl<T: Send> Sync for Lock<T> {}

    /// Unlocks when dropped, so that a panic in the critical section does not leave it locked.
    struct Unlock<'a>(&'a AtomicBool);

    impl Drop for Unlock<'_> {
        fn drop(&mut self) {
            // The last access to the lock: another thread may free it from here on.
            self.0.store(false, Ordering::Release);
        }
    }

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self { locked: AtomicBool::new(false), value: UnsafeCell::new(value) }
        }

        /// Runs `action` while no other thread does.
        pub(crate) fn with<R>(&self, action: impl FnOnce(&mut T) -> R) -> R {
            let mut tries = 0;
            while self.locked.swap(true, Ordering::Acquire) {
                while self.locked.load(Ordering::Relaxed) {
                    tries += 1;
                    if tries % SPINS == 0 { std::thread::yield_now() } else { std::hint::spin_loop() }
                }
            }
            let _unlock = Unlock(&self.locked);
            // SAFETY: the swap gave the lock to this thread alone, until `_unlock` is dropped; `action` cannot get
            // at the value otherwise, as the lock is not reentrant.
            action(unsafe { &mut *self.value.get() })
        }
    }
}
