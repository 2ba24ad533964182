//! Syncs that a worker makes by itself: who shares one, and that nobody is answered before it.

use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redkeep::server::durability::SyncPolicy;

use crate::shell::{Shell, ShellOptions, Socket};

/// A server whose only worker syncs by itself, where every command is a commit, and clients that it has accepted.
fn shell(clients: usize) -> (Shell, Vec<Socket<TcpStream>>) {
    let shell = Shell::start(ShellOptions {
        workers: Some(1),
        ..ShellOptions::default()
    });
    let mut connected: Vec<_> = (0..clients).map(|_| shell.connect()).collect();
    for client in &mut connected {
        client.check("PING\r\n", "+PONG\r\n");
    }
    *shell.log.policy.lock() = SyncPolicy::Always;
    shell.log.sync_us.store(0, Ordering::SeqCst);
    shell.store.commits.store(true, Ordering::SeqCst);
    (shell, connected)
}

/// While the engine is held, sends a request of the first client, and those of the others when the worker waits for the engine.
fn send_while_first_is_carried_out(shell: &Shell, clients: &mut [Socket<TcpStream>]) {
    let stats = &shell.shared.server.stats;
    let reads = || stats.reads.load(Ordering::Relaxed);
    let (reads_before, begin) = (reads(), Instant::now());
    let held = shell.shared.engine.lock();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send("PING\r\n");
        while number == 0 && reads() == reads_before {
            assert!(begin.elapsed() < Duration::from_secs(20), "it is read");
            std::thread::yield_now();
        }
    }
    drop(held);
}

#[test]
fn who_becomes_ready_before_a_sync_shares_it() {
    let (shell, mut clients) = shell(6);
    send_while_first_is_carried_out(&shell, &mut clients);
    for client in &mut clients {
        client.expect("+PONG\r\n");
    }
    assert_eq!(*shell.log.syncs.lock(), [6]);
    assert_eq!(shell.log.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn who_waits_for_a_sync_that_fails_is_not_answered() {
    let (shell, mut clients) = shell(3);
    shell.log.failed.store(true, Ordering::SeqCst);
    send_while_first_is_carried_out(&shell, &mut clients);
    for client in &mut clients {
        assert_eq!(client.end(), "");
    }
}
