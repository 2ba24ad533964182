//! The configuration that data commands depend on, each directive at one place.

use super::Call;

/// Whether and how `maxmemory-policy` follows the use of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsePolicy {
    /// Policies that look at neither.
    Neither,
    /// `allkeys-lru`, `volatile-lru`.
    Recency,
    /// `allkeys-lfu`, `volatile-lfu`.
    Frequency,
}

/// `proto-max-bulk-len`: the longest a string may become, in bytes.
pub fn proto_max_bulk_len(_call: &Call<'_>) -> u64 {
    512 << 20
}

/// `hll-sparse-max-bytes`: the longest a sparse HyperLogLog may become.
pub fn hll_sparse_max_bytes(_call: &Call<'_>) -> usize {
    3000
}

/// `maxmemory-policy`, as far as it concerns the use of keys.
pub fn use_policy(_call: &Call<'_>) -> UsePolicy {
    UsePolicy::Neither
}

/// Whether `maxmemory` is set.
pub fn has_maxmemory(_call: &Call<'_>) -> bool {
    false
}
