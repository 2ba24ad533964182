//! Client tracking: its modes and what they forbid.

pub mod invalidation;

use std::collections::BTreeSet;

use crate::commands::up_to_nul;
use crate::errors::{self, Failure};
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome};

/// What CLIENT TRACKING and CLIENT CACHING have set.
#[derive(Clone, Debug, Default)]
pub struct Tracking {
    pub on: bool,
    pub bcast: bool,
    optin: bool,
    optout: bool,
    pub noloop: bool,
    /// CLIENT CACHING came just before.
    pub caching: bool,
    pub prefixes: BTreeSet<Vec<u8>>,
    /// The number of the connection that is told instead; 0: this one.
    pub redirect: i64,
    /// That connection is gone, and there was something to tell it.
    pub is_broken: bool,
}

impl Tracking {
    /// Whether the keys of a command that only reads are remembered.
    fn remembers(&self) -> bool {
        let is_wanted = match (self.optin, self.optout) {
            (true, _) => self.caching,
            (_, true) => !self.caching,
            _ => true,
        };
        self.on && !self.bcast && is_wanted
    }
}

/// The words behind ON or OFF.
#[derive(Default)]
struct Options {
    bcast: bool,
    optin: bool,
    optout: bool,
    noloop: bool,
    redirect: i64,
    prefixes: Vec<Vec<u8>>,
}

fn options(call: &Call) -> Result<Options, Failure> {
    let mut options = Options::default();
    let mut index = 3;
    while index < call.args.len() {
        let more = index + 1 < call.args.len();
        if call.says(index, "REDIRECT") && more {
            if options.redirect != 0 {
                return Err(errors::err(
                    "A client can only redirect to a single other client",
                ));
            }
            options.redirect = numbers::integer(call.arg(index + 1))?;
            if call.model.numbered(options.redirect).is_none() {
                return Err(errors::err(
                    "The client ID you want redirect to does not exist",
                ));
            }
            index += 1;
        } else if call.says(index, "PREFIX") && more {
            options.prefixes.push(call.arg(index + 1).to_vec());
            index += 1;
        } else if call.says(index, "BCAST") {
            options.bcast = true;
        } else if call.says(index, "OPTIN") {
            options.optin = true;
        } else if call.says(index, "OPTOUT") {
            options.optout = true;
        } else if call.says(index, "NOLOOP") {
            options.noloop = true;
        } else {
            return Err(errors::syntax());
        }
        index += 1;
    }
    Ok(options)
}

fn check(now: &Tracking, options: &Options) -> Result<(), Failure> {
    let switch = |what: &str| {
        errors::err(&format!(
            "You can't switch {what} mode{} before disabling tracking for this client, and then re-enabling it with \
             a different mode.",
            if what == "BCAST" { " on/off" } else { "" }
        ))
    };
    if !options.bcast && !options.prefixes.is_empty() {
        return Err(errors::err(
            "PREFIX option requires BCAST mode to be enabled",
        ));
    }
    if now.on && now.bcast != options.bcast {
        return Err(switch("BCAST"));
    }
    if options.bcast && (options.optin || options.optout) {
        return Err(errors::err(
            "OPTIN and OPTOUT are not compatible with BCAST",
        ));
    }
    if options.optin && options.optout {
        return Err(errors::err(
            "You can't specify both OPTIN mode and OPTOUT mode",
        ));
    }
    if options.optin && now.optout || options.optout && now.optin {
        return Err(switch("OPTIN/OPTOUT"));
    }
    check_prefixes(now, options)
}

fn check_prefixes(now: &Tracking, options: &Options) -> Result<(), Failure> {
    let overlap = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(a, b)| a == b);
    let complain = |prefix: &[u8], whose: &[u8], other: &[u8]| {
        Err(errors::err_bytes(&[
            b"Prefix '",
            up_to_nul(prefix, usize::MAX),
            b"' overlaps with ",
            whose,
            b" prefix '",
            up_to_nul(other, usize::MAX),
            b"'. Prefixes for a single client must not overlap.",
        ]))
    };
    for (index, prefix) in options.prefixes.iter().enumerate() {
        if let Some(other) = now.prefixes.iter().find(|other| overlap(other, prefix)) {
            return complain(prefix, b"an existing", other);
        }
        let mut others = options.prefixes[index + 1..].iter();
        if let Some(other) = others.find(|other| overlap(other, prefix)) {
            return complain(prefix, b"another provided", other);
        }
    }
    Ok(())
}

pub fn tracking(call: &mut Call) -> Outcome {
    let options = options(call)?;
    if call.says(2, "OFF") {
        call.connection().tracking = Tracking::default();
        return Ok(Reply::ok());
    }
    if !call.says(2, "ON") {
        return Err(errors::syntax());
    }
    let now = &mut call.connection().tracking;
    check(now, &options)?;
    now.on = true;
    now.bcast = options.bcast;
    now.optin = options.optin;
    now.optout = options.optout;
    now.noloop = options.noloop;
    now.redirect = options.redirect;
    now.is_broken = false;
    if options.bcast && options.prefixes.is_empty() {
        now.prefixes.insert(Vec::new());
    }
    now.prefixes.extend(options.prefixes);
    Ok(Reply::ok())
}

pub fn caching(call: &mut Call) -> Outcome {
    let (yes, no) = (call.says(2, "YES"), call.says(2, "NO"));
    let now = &mut call.connection().tracking;
    if !now.on {
        return Err(errors::err(
            "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    }
    let only = |word: &str, mode: &str| {
        Err(errors::err(&format!(
            "CLIENT CACHING {word} is only valid when tracking is enabled in {mode} mode."
        )))
    };
    match (yes, no) {
        (true, _) if !now.optin => only("YES", "OPTIN"),
        (_, true) if !now.optout => only("NO", "OPTOUT"),
        (false, false) => Err(errors::syntax()),
        _ => {
            now.caching = true;
            Ok(Reply::ok())
        }
    }
}

pub fn getredir(call: &mut Call) -> Outcome {
    Ok(redirect(&call.connection().tracking))
}

fn redirect(tracking: &Tracking) -> Reply {
    Reply::Integer(if tracking.on { tracking.redirect } else { -1 })
}

pub fn trackinginfo(call: &mut Call) -> Outcome {
    let now = &call.connection().tracking;
    let mut flags = vec![if now.on { "on" } else { "off" }];
    for (is_set, flag) in [
        (now.bcast, "bcast"),
        (now.optin, "optin"),
        (now.optin && now.caching, "caching-yes"),
        (now.optout, "optout"),
        (now.optout && now.caching, "caching-no"),
        (now.noloop, "noloop"),
        (now.is_broken, "broken_redirect"),
    ] {
        if is_set {
            flags.push(flag);
        }
    }
    let flags = flags.iter().map(|flag| Reply::bulk(flag.as_bytes()));
    let prefixes = now.prefixes.iter().map(|prefix| Reply::bulk(prefix));
    let pair = |key: &str, value: Reply| (Reply::bulk(key.as_bytes()), value);
    Ok(Reply::Map(vec![
        pair("flags", Reply::Set(flags.collect())),
        pair("redirect", redirect(now)),
        pair("prefixes", Reply::Array(prefixes.collect())),
    ]))
}
