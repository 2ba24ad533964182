//! The shell around everything: tokio, listeners, timers, signals, threads.
