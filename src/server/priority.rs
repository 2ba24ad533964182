//! How threads share processors.

/// Niceness of threads whose work may wait: a tenth of the weight of those that answer.
const NICENESS: i32 = 10;

/// Lets threads that answer go before the calling one, where the processors do not suffice for all. It goes on when
/// they are busy, only slower.
pub fn give_way() {
    // On Linux the priority is the calling thread's alone. Where it cannot be lowered, the thread is as fast as others.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!("the priority of a thread stays as it is: {error}");
    }
}
