//! What the engines have in common here.

pub const KEY_BYTES: usize = 16;
pub const VALUE_BYTES: usize = 64;
/// Keys of one transaction while loading: few, so that no engine has to keep many changed pages.
pub const LOAD_KEYS: u64 = 1000;

/// An engine with a file of its own.
pub trait Store: Sync {
    fn name(&self) -> &'static str;

    /// Puts the keys numbered `0 .. keys`, and makes them durable.
    fn load(&mut self, keys: u64);

    /// Looks keys up; how many are there.
    fn get_all(&mut self, keys: &mut dyn Iterator<Item = [u8; KEY_BYTES]>) -> u64;

    /// The keys of the next puts, for an engine that can look several up at once.
    fn will_put(&self, _keys: &[[u8; KEY_BYTES]]) {}

    /// One transaction with one change, which the next [`Store::sync`] makes durable.
    fn put(&self, key: &[u8; KEY_BYTES], value: &[u8; VALUE_BYTES]);

    fn sync(&self);
}

/// The key with this number.
pub fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = *b"key:000000000000";
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// Numbers that look random and are the same for all engines.
pub struct Draw(fastrand::Rng);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0.u64(..end)
    }
}
