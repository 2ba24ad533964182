//! TLS over real sockets, with the real program.

mod authority;
mod client;
mod server;

use std::fs;
use std::time::{Duration, Instant};

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use tokio_rustls::rustls::ProtocolVersion;

use authority::{Authority, Pair};
use client::Client;
use server::{Files, Server, free_port};

const REFUSED: &str = "Unable to update TLS configuration. Check server logs.";

fn refusal(name: &str) -> String {
    format!("-ERR CONFIG SET failed (possibly related to argument '{name}') - {REFUSED}")
}

#[test]
fn a_session_over_tls_is_a_session() {
    let files = Files::new();
    let server = Server::start(&files, false, &[]);
    let (mut one, mut two) = (server.connect(), server.connect());
    assert_eq!(one.ask("SET k v"), "+OK");
    assert_eq!(two.bulk("GET k"), "v");
    // More than sockets and TLS hold at a time, in both directions.
    let large = "x".repeat(8 << 20);
    one.send(&format!(
        "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n${}\r\n{large}\r\n",
        large.len()
    ))
    .unwrap();
    assert_eq!(one.line().unwrap(), "+OK");
    assert!(two.bulk("GET b") == large);
    let pipeline = "INCR n\r\n".repeat(10_000);
    one.send(&pipeline).unwrap();
    for n in 1..=10_000 {
        assert_eq!(one.line().unwrap(), format!(":{n}"));
    }
    // A client that waits is served by another.
    one.send("BLPOP list 0\r\n").unwrap();
    while !two.bulk("CLIENT LIST").contains("cmd=blpop") {}
    assert_eq!(two.ask("RPUSH list a"), ":1");
    for expect in ["*2", "$4", "list", "$1", "a"] {
        assert_eq!(one.line().unwrap(), expect);
    }
    let info = two.bulk("INFO server");
    let port = server.tls_port;
    assert!(info.contains(&format!("\r\ntcp_port:{port}\r\n")), "{info}");
    let listener = format!("\r\nlistener2:name=tls,bind=127.0.0.1,port={port}\r\n");
    assert!(info.contains(&listener), "{info}");
    let own = two.bulk("CLIENT INFO");
    assert!(own.contains(&format!("laddr=127.0.0.1:{port} ")), "{own}");
    let number = one.ask("CLIENT ID");
    let kill = format!("CLIENT KILL ID {}", number.trim_start_matches(':'));
    assert_eq!(two.ask(&kill), ":1");
    assert!(one.is_over(), "the end is announced");
    assert_eq!(two.ask("QUIT"), "+OK");
    assert!(two.is_over(), "the end is announced");
}

#[test]
fn clients_must_show_a_certificate_where_that_is_asked() {
    let files = Files::new();
    let server = Server::start(&files, true, &[]);
    let mut control = Client::plain(server.port).unwrap();
    let other = Authority::new(files.folder(), "other");
    let stranger = other.sign(files.folder(), "stranger", ClientAuth);
    let of_server = Some(&files.server);
    let ours = &files.authority.file;
    let is_let_in = |shown: Option<&Pair>| Client::over_tls(server.tls_port, ours, shown).is_ok();
    for (mode, known, unknown, nothing) in [
        ("yes", true, false, false),
        ("optional", true, false, true),
        ("no", true, true, true),
    ] {
        let set = format!("CONFIG SET tls-auth-clients {mode}");
        assert_eq!(control.ask(&set), "+OK");
        assert_eq!(is_let_in(Some(&files.client)), known, "{mode}");
        assert_eq!(is_let_in(Some(&stranger)), unknown, "{mode}");
        assert_eq!(is_let_in(None), nothing, "{mode}");
    }
    assert_eq!(control.ask("CONFIG SET tls-auth-clients yes"), "+OK");
    assert!(!is_let_in(of_server), "it is for servers");
    let foreign = Client::over_tls(server.tls_port, &other.file, Some(&files.client));
    assert!(foreign.is_err(), "the client does not know the server");
    // The authorities of a folder count too, beside a file that is none.
    let folder = files.folder().join("authorities");
    fs::create_dir(&folder).unwrap();
    fs::copy(&other.file, folder.join("other.crt")).unwrap();
    fs::write(folder.join("README"), "authorities").unwrap();
    let set = format!("CONFIG SET tls-ca-cert-dir {}", folder.display());
    assert_eq!(control.ask(&set), "+OK");
    assert!(is_let_in(Some(&stranger)) && is_let_in(Some(&files.client)));
    let set = "CONFIG SET tls-ca-cert-file \"\" tls-ca-cert-dir \"\"";
    assert_eq!(control.ask(set), refusal("tls-ca-cert-file"));
    assert!(is_let_in(Some(&stranger)) && !is_let_in(None));
}

#[test]
fn new_files_act_on_new_connections_and_bad_ones_on_none() {
    let files = Files::new();
    let server = Server::start(&files, true, &["--tls-auth-clients", "no"]);
    let mut control = Client::plain(server.port).unwrap();
    let mut old = server.connect();
    let next = Authority::new(files.folder(), "next");
    let pair = next.sign(files.folder(), "next", ServerAuth);
    let shown = pair.certificate.display();
    let bad = files.folder().join("bad");
    let knows =
        |authority: &Authority| Client::over_tls(server.tls_port, &authority.file, None).is_ok();
    let certificate = control.setting("tls-cert-file");
    for (text, name) in [
        ("nothing", "tls-cert-file"),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "tls-key-file",
        ),
        ("nothing", "tls-key-file"),
        ("nothing", "tls-ca-cert-file"),
    ] {
        fs::write(&bad, text).unwrap();
        let more = if name == "tls-ca-cert-file" {
            " tls-auth-clients yes"
        } else {
            ""
        };
        let set = format!("CONFIG SET {name} {}{more}", bad.display());
        assert_eq!(control.ask(&set), refusal(name));
    }
    let without_key = format!("CONFIG SET tls-cert-file {shown}");
    assert_eq!(control.ask(&without_key), refusal("tls-cert-file"));
    assert_eq!(control.setting("tls-cert-file"), certificate);
    assert!(knows(&files.authority) && !knows(&next));
    let set = format!(
        "CONFIG SET tls-cert-file {shown} tls-key-file {}",
        pair.key.display()
    );
    assert_eq!(control.ask(&set), "+OK");
    assert!(knows(&next) && !knows(&files.authority));
    assert_eq!(old.ask("PING"), "+PONG");
    // The same name again, with something else in the file.
    fs::copy(&files.server.certificate, &pair.certificate).unwrap();
    fs::copy(&files.server.key, &pair.key).unwrap();
    assert!(knows(&next));
    assert_eq!(control.ask(&set), "+OK");
    assert!(knows(&files.authority) && !knows(&next));
}

#[test]
fn protocols_and_ciphers_are_those_that_are_named() {
    let files = Files::new();
    let server = Server::start(&files, true, &["--tls-protocols", "TLSv1.2"]);
    let mut control = Client::plain(server.port).unwrap();
    assert_eq!(server.connect().agreed().0, ProtocolVersion::TLSv1_2);
    let set = "CONFIG SET tls-ciphers ECDHE-ECDSA-AES128-GCM-SHA256";
    assert_eq!(control.ask(set), "+OK");
    let suite = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    assert_eq!(server.connect().agreed().1, suite);
    let set = "CONFIG SET tls-protocols \"TLSv1.2 TLSv1.3\" tls-ciphersuites TLS_CHACHA20_POLY1305_SHA256";
    assert_eq!(control.ask(set), "+OK");
    let agreed = (
        ProtocolVersion::TLSv1_3,
        "TLS13_CHACHA20_POLY1305_SHA256".to_owned(),
    );
    assert_eq!(server.connect().agreed(), agreed);
    for (name, value) in [
        ("tls-protocols", "TLSv1.1"),
        ("tls-ciphers", "AES128-SHA"),
        ("tls-ciphersuites", "TLS_AES_128_CCM_SHA256"),
    ] {
        assert_eq!(
            control.ask(&format!("CONFIG SET {name} {value}")),
            refusal(name)
        );
    }
    assert_eq!(server.connect().agreed(), agreed);
    assert_eq!(
        control.ask("CONFIG SET tls-session-caching no tls-session-cache-size 2147483647"),
        "+OK"
    );
    assert_eq!(control.ask("CONFIG SET tls-session-caching yes"), "+OK");
    assert_eq!(server.connect().agreed(), agreed);
}

#[test]
fn the_port_moves_while_the_server_runs() {
    let files = Files::new();
    let server = Server::start(&files, false, &[]);
    let mut control = server.connect();
    let port = free_port();
    assert_eq!(control.ask(&format!("CONFIG SET port {port}")), "+OK");
    let mut plain = Client::plain(port).unwrap();
    assert_eq!(plain.ask("CONFIG SET tls-port 0"), "+OK");
    assert!(client::dial(server.tls_port).is_err());
    assert_eq!(control.ask("PING"), "+PONG");
    assert_eq!(plain.ask("CONFIG SET tls-cert-file /none"), "+OK");
    let set = format!("CONFIG SET tls-port {}", server.tls_port);
    assert_eq!(plain.ask(&set), refusal("tls-port"));
    let set = format!("{set} tls-cert-file {}", files.server.certificate.display());
    assert_eq!(plain.ask(&set), "+OK");
    assert_eq!(server.connect().ask("PING"), "+PONG");
    let set = format!("CONFIG SET tls-port {port}");
    assert!(plain.ask(&set).contains("Unable to listen on this port."));
    assert_eq!(server.connect().ask("PING"), "+PONG");
}

#[test]
fn who_speaks_no_tls_is_gone_soon() {
    let files = Files::new();
    let server = Server::start(&files, true, &[]);
    let mut loud = Client::plain(server.tls_port).unwrap();
    loud.send("PING\r\nPING\r\n").unwrap();
    assert_ne!(loud.line().ok().as_deref(), Some("+PONG"));
    let begin = Instant::now();
    let mut silent = Client::plain(server.tls_port).unwrap();
    let mut control = Client::plain(server.port).unwrap();
    let its_door = format!("laddr=127.0.0.1:{} ", server.tls_port);
    while !control.bulk("CLIENT LIST").contains(&its_door) {
        assert!(begin.elapsed() < Duration::from_secs(8), "it is accepted");
    }
    assert_eq!(server.connect().ask("PING"), "+PONG");
    assert!(silent.is_over());
    let waited = begin.elapsed();
    assert!(
        waited > Duration::from_secs(8) && waited < Duration::from_secs(20),
        "{waited:?}"
    );
    while control.bulk("CLIENT LIST").lines().count() > 1 {}
}

#[test]
fn a_start_with_bad_files_fails_and_says_why() {
    let files = Files::new();
    let locked = files.folder().join("locked.key");
    let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMA==\n-----END RSA PRIVATE KEY-----\n";
    fs::write(&locked, key).unwrap();
    let locked = locked.display().to_string();
    for (more, expect) in [
        (
            ["--tls-key-file", locked.as_str()],
            "the private key is encrypted",
        ),
        (["--tls-cert-file", "/none.crt"], "/none.crt: No such file"),
        (
            ["--tls-ca-cert-file", ""],
            "tls-auth-clients needs tls-ca-cert-file",
        ),
        (
            ["--tls-protocols", "SSLv3"],
            "'SSLv3' is not one of: TLSv1.2, TLSv1.3",
        ),
    ] {
        let log = files.fail(&more);
        assert!(log.contains(expect), "{more:?}: {log}");
    }
}
