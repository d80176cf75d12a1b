//! A lock for critical sections of a few nanoseconds: it spins, then yields.

#[cfg(not(loom))]
pub(crate) use spin::Lock;

/// The lock for the model checker, which explores every order in which threads take it; a spin loop would
/// make that endless. The checker switches threads only where one waits, never between the release and the
/// return of `with`, so here too another thread may free the lock as soon as it takes it.
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

    /// Spins before the thread yields. A holder that runs releases the lock sooner; one that was preempted
    /// needs the processor.
    const SPINS: u32 = 64;

    /// A value for one thread at a time. Another thread may take the lock and free it while
    /// [`with`](Self::with) has not yet returned in the thread that released it.
    ///
    /// A reference argument promises that the memory behind it stays allocated until the function returns,
    /// except inside an `UnsafeCell`. Therefore the whole lock, with its padding, lies in such a cell.
    pub(crate) struct Lock<T>(UnsafeCell<Parts<T>>);

    struct Parts<T> {
        locked: AtomicBool,
        value: UnsafeCell<T>,
    }

    // SAFETY: `with` gives the value to one thread at a time, so sharing the lock moves the value between
    // threads.
    unsafe impl<T: Send> Sync for Lock<T> {}

    /// Releases the lock when dropped, also after a panic in the critical section.
    struct Unlock<'a>(&'a AtomicBool);

    impl Drop for Unlock<'_> {
        fn drop(&mut self) {
            // The last access to the lock.
            self.0.store(false, Ordering::Release);
        }
    }

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(UnsafeCell::new(Parts { locked: AtomicBool::new(false), value: UnsafeCell::new(value) }))
        }

        /// Runs `action` under the lock. If another thread may free the lock afterwards, `action` must not
        /// keep references to what that thread frees.
        pub(crate) fn with<R>(&self, action: impl FnOnce(&mut T) -> R) -> R {
            // SAFETY: nobody makes an exclusive reference to the parts, which are cells themselves.
            let Parts { locked, value } = unsafe { &*self.0.get() };
            let mut tries = 0_u32;
            while locked.swap(true, Ordering::Acquire) {
                while locked.load(Ordering::Relaxed) {
                    tries = tries.wrapping_add(1);
                    if tries.is_multiple_of(SPINS) {
                        std::thread::yield_now()
                    } else {
                        std::hint::spin_loop()
                    }
                }
            }
            let _unlock = Unlock(locked);
            // SAFETY: the swap gave the lock to this thread alone, until `_unlock` is dropped; `action`
            // cannot get at the value otherwise, as the lock is not reentrant.
            action(unsafe { &mut *value.get() })
        }
    }

    #[cfg(test)]
    mod tests {
        use std::sync::Barrier;

        use super::*;

        #[test]
        fn threads_that_add_at_once_lose_no_addition() {
            const ROUNDS: usize = 300_000;
            let lock = Lock::new([0_usize; 2]);
            let barrier = Barrier::new(3);
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        barrier.wait();
                        for _ in 0..ROUNDS {
                            lock.with(|pair| {
                                assert_eq!(pair[0], pair[1], "two threads at once");
                                pair[0] += 1;
                                pair[1] += 1;
                            });
                        }
                    });
                }
            });
            assert_eq!(lock.with(|pair| *pair), [3 * ROUNDS; 2]);
        }

        #[test]
        fn a_panic_inside_leaves_it_unlocked() {
            let lock = Lock::new(1);
            let inside = || lock.with(|_| panic!("inside"));
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(inside)).is_err());
            assert_eq!(lock.with(|value| *value), 1);
        }
    }
}
