//! `redkeep check` on arbitrary files: it ends, in bounded memory, without a panic. Checksums are made right, so that
//! what lies behind them is reached.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use redkeep::storage::check::{CheckOptions, check};
use redkeep_fuzz::database;

fuzz_target!(|input: &[u8]| {
    let path = Path::new("data.keep");
    let Some(vfs) = database::files(path, input) else {
        return;
    };
    let options = CheckOptions { findings_max: 16 };
    if let Ok(report) = check(&vfs, path, &options, &mut |_| {}) {
        assert!(report.findings.len() <= options.findings_max);
        for finding in &report.findings {
            assert!(!finding.to_string().is_empty());
        }
    }
});
