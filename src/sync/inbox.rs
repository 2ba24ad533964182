//! What threads ask of one thread, which waits for it.

use std::time::Duration;

use super::{Condvar, Mutex, wait, wait_for};

/// What is asked of a thread, and where it waits until something is.
#[derive(Debug, Default)]
pub struct Inbox<T> {
    inner: Mutex<Inner<T>>,
    /// Every change of `inner` that the thread waits for is told here.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner<T> {
    asked: T,
    is_stopping: bool,
}

/// Why a thread that waited goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake<R> {
    Asked(R),
    /// Time has passed.
    Time,
    /// The thread is to end.
    Stop,
}

impl<T> Inbox<T> {
    /// Changes what is asked for, and wakes the thread.
    pub fn ask<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let changed = self.with(change);
        self.changed.notify_one();
        changed
    }

    /// Looks at what is asked for, or changes what the thread does not wait for.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.inner.lock().asked)
    }

    /// The thread is to end.
    pub fn stop(&self) {
        self.inner.lock().is_stopping = true;
        self.changed.notify_one();
    }

    /// Whether the thread is to end.
    pub fn is_stopping(&self) -> bool {
        self.inner.lock().is_stopping
    }

    /// Waits until `take` finds something in what is asked for, for `time` at most if it is given. The end comes before
    /// what is asked.
    pub fn wait<R>(
        &self,
        time: Option<Duration>,
        mut take: impl FnMut(&mut T) -> Option<R>,
    ) -> Wake<R> {
        let mut inner = self.inner.lock();
        let mut has_waited = false;
        loop {
            if inner.is_stopping {
                return Wake::Stop;
            }
            if let Some(taken) = take(&mut inner.asked) {
                return Wake::Asked(taken);
            }
            match time {
                None => wait(&self.changed, &mut inner),
                // Who looks at something regularly may do so early.
                Some(_) if has_waited => return Wake::Time,
                Some(time) => wait_for(&self.changed, &mut inner, time),
            }
            has_waited = true;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn some(asked: &mut Option<u32>) -> Option<u32> {
        asked.take()
    }

    #[test]
    fn what_was_asked_before_the_wait_is_found_and_once() {
        let inbox = Inbox::default();
        inbox.ask(|asked| *asked = Some(7));
        assert_eq!(inbox.wait(None, some), Wake::Asked(7));
        assert_eq!(inbox.wait(Some(Duration::ZERO), some), Wake::Time);
    }

    #[test]
    fn the_end_comes_first_and_stays() {
        let inbox = Inbox::default();
        assert!(!inbox.is_stopping());
        inbox.ask(|asked| *asked = Some(7));
        inbox.stop();
        for _ in 0..2 {
            assert_eq!(inbox.wait(None, some), Wake::Stop);
        }
        assert!(inbox.is_stopping());
        assert_eq!(inbox.with(|asked| *asked), Some(7));
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::sync::Arc;

    #[test]
    fn what_is_asked_is_heard() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::<bool>::default());
            let asker = {
                let inbox = inbox.clone();
                loom::thread::spawn(move || inbox.ask(|asked| *asked = true))
            };
            let take = |asked: &mut bool| std::mem::take(asked).then_some(());
            assert_eq!(inbox.wait(None, take), Wake::Asked(()));
            asker.join().expect("the one who asks does not panic");
        });
    }

    #[test]
    fn the_end_is_heard() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::<bool>::default());
            let stopper = {
                let inbox = inbox.clone();
                loom::thread::spawn(move || inbox.stop())
            };
            assert_eq!(inbox.wait(None, |_| None::<()>), Wake::Stop);
            stopper.join().expect("the one who stops it does not panic");
        });
    }
}
