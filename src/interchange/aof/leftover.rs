//! Names of files that rewrites make, of which some stay when a rewrite comes to no end.

/// Whether a file is a part of the append-only file `name`, or one that is being written: `NAME.1.base.rdb`,
/// `NAME.1.incr.aof`, and those and the manifest with `.tmp` behind. The manifest itself is none.
pub fn is_ours(file: &str, name: &str) -> bool {
    let Some(rest) = file
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('.'))
    else {
        return false;
    };
    let part = rest.strip_suffix(".tmp").unwrap_or(rest);
    if part == "manifest" {
        return part != rest;
    }
    let Some((seq, kind)) = part.split_once('.') else {
        return false;
    };
    let is_number = !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit());
    is_number && matches!(kind, "base.rdb" | "base.aof" | "incr.aof")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rewrites_make_is_ours() {
        for ours in [
            "a.aof.1.base.rdb",
            "a.aof.12.base.aof.tmp",
            "a.aof.3.incr.aof",
            "a.aof.manifest.tmp",
        ] {
            assert!(is_ours(ours, "a.aof"), "{ours}");
        }
        for other in [
            "a.aof",
            "a.aof.manifest",
            "a.aof.1.base.rdb.cut-12",
            "a.aof.x.incr.aof",
            "a.aof..incr.aof",
            "b.aof.1.incr.aof",
            "a.aof.1.incr.rdb",
            "temp-1.rdb",
        ] {
            assert!(!is_ours(other, "a.aof"), "{other}");
        }
    }
}
