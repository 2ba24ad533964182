//! How much memory there is: what the machine has, or less when a control group says so.

use std::path::{Path, PathBuf};

/// Reads a small text file; None when it is not there.
pub type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// Bytes of memory for this process. None when nothing tells.
pub fn available(read: Read<'_>) -> Option<u64> {
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| total_of_meminfo(&text));
    [machine, group_limit(read)].into_iter().flatten().min()
}

/// What `cache-size 0` means: a quarter of what is available, or 256 MiB when that cannot be told.
pub fn default_cache_bytes(read: Read<'_>) -> u64 {
    const UNKNOWN: u64 = 1 << 30;
    available(read).unwrap_or(UNKNOWN) / 4
}

fn total_of_meminfo(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The smallest limit of the groups this process is in, of either version, and of the groups around them.
fn group_limit(read: Read<'_>) -> Option<u64> {
    let groups = read(Path::new("/proc/self/cgroup"))?;
    groups
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            if controllers.is_empty() {
                limit_on_path(read, "/sys/fs/cgroup", path, "memory.max")
            } else if controllers.split(',').any(|name| name == "memory") {
                limit_on_path(read, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes")
            } else {
                None
            }
        })
        .min()
}

/// The smallest limit from a group up to the root. Inside a container the path may not exist, but the root does.
fn limit_on_path(read: Read<'_>, root: &str, path: &str, file: &str) -> Option<u64> {
    let group = PathBuf::from(root).join(path.trim_start_matches('/'));
    group
        .ancestors()
        .take_while(|ancestor| ancestor.starts_with(root))
        .filter_map(|ancestor| read(&ancestor.join(file))?.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: (&str, &str) = (
        "/proc/meminfo",
        "MemTotal:        8000000 kB\nMemFree: 5 kB\n",
    );

    fn check(files: &[(&str, &str)], expect: Option<u64>) {
        let read = |path: &Path| {
            files
                .iter()
                .find(|(name, _)| Path::new(name) == path)
                .map(|(_, text)| text.to_string())
        };
        assert_eq!(available(&read), expect, "{files:?}");
    }

    #[test]
    fn the_smallest_limit_counts() {
        check(&[], None);
        check(&[MEMINFO], Some(8_192_000_000));
        check(&[("/proc/meminfo", "MemTotal: many kB")], None);
        let version_2 = ("/proc/self/cgroup", "0::/a/b\n");
        check(
            &[
                MEMINFO,
                version_2,
                ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
                ("/sys/fs/cgroup/a/memory.max", "1000000\n"),
            ],
            Some(1_000_000),
        );
        check(
            &[MEMINFO, version_2, ("/sys/fs/cgroup/memory.max", "2000\n")],
            Some(2000),
        );
        let version_1 = ("/proc/self/cgroup", "3:cpu:/x\n2:foo,memory:/a\n");
        let unlimited = (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        check(
            &[
                MEMINFO,
                version_1,
                unlimited,
                ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "3000\n"),
            ],
            Some(3000),
        );
        check(&[MEMINFO, version_1, unlimited], Some(8_192_000_000));
    }
}
