//! The synchronisation primitives that storage uses, in one place, so that loom can model-check the
//! production types: under `--cfg loom` these are loom's, otherwise parking_lot's and the standard library's.
//! On them, [`Inbox`]: how a thread is asked for what it does.

pub mod inbox;

pub use inbox::{Inbox, Wake};

#[cfg(not(loom))]
mod imp {
    use std::time::Duration;

    pub use parking_lot::{Condvar, Mutex, MutexGuard};
    pub use std::sync::Arc;
    pub use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };

    /// Waits on `condvar`, giving up `guard`'s lock meanwhile.
    pub fn wait<T>(condvar: &Condvar, guard: &mut MutexGuard<'_, T>) {
        condvar.wait(guard);
    }

    /// The same, for `time` at most.
    pub fn wait_for<T>(condvar: &Condvar, guard: &mut MutexGuard<'_, T>, time: Duration) {
        condvar.wait_for(guard, time);
    }
}

#[cfg(loom)]
mod imp {
    use std::time::Duration;

    pub use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub use loom::sync::{Arc, MutexGuard};

    /// loom's mutex with parking_lot's signature: `lock` returns the guard itself.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0
                .lock()
                .expect("no thread of a model panics while it holds a lock")
        }

        pub fn into_inner(self) -> T {
            self.0
                .into_inner()
                .expect("no thread of a model panics while it holds a lock")
        }
    }

    /// loom's condition variable with parking_lot's names.
    #[derive(Debug, Default)]
    pub struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub fn new() -> Self {
            Self(loom::sync::Condvar::new())
        }

        pub fn notify_one(&self) {
            self.0.notify_one();
        }

        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    /// Waits on `condvar`, giving up `guard`'s lock meanwhile.
    pub fn wait<T>(condvar: &Condvar, guard: &mut MutexGuard<'_, T>) {
        // loom's wait takes the guard by value; the caller keeps a place for it.
        replace_with(guard, |guard| {
            condvar
                .0
                .wait(guard)
                .expect("no thread of a model panics while it holds a lock")
        });
    }

    /// The same: no time passes in a model.
    pub fn wait_for<T>(condvar: &Condvar, guard: &mut MutexGuard<'_, T>, _time: Duration) {
        wait(condvar, guard);
    }

    fn replace_with<T>(place: &mut T, change: impl FnOnce(T) -> T) {
        // SAFETY: the value is moved out and another is moved in before anyone can look; `change` waits on
        // a loom condition variable, and a panic inside a loom model ends the process.
        unsafe { std::ptr::write(place, change(std::ptr::read(place))) }
    }
}

pub use imp::*;
