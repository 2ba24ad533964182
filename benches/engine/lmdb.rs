//! LMDB, through `heed`.

use std::path::Path;

use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions};

use super::store::{KEY_BYTES, LOAD_KEYS, Store, VALUE_BYTES, key};

pub struct Lmdb {
    env: Env,
    data: Database<Bytes, Bytes>,
}

impl Lmdb {
    /// Room for the data is mapped ahead.
    pub fn open(dir: &Path, keys: u64) -> Self {
        std::fs::create_dir_all(dir).expect("a directory");
        let room = (keys * (KEY_BYTES + VALUE_BYTES) as u64 * 4).max(1 << 30);
        let mut options = EnvOpenOptions::new();
        options.map_size(room as usize);
        // SAFETY: nobody else opens the file, and what a lost sync may lose is not read again.
        let env = unsafe { options.flags(EnvFlags::NO_SYNC).open(dir) }.expect("a new file");
        let mut txn = env.write_txn().expect("a transaction");
        let data = env.create_database(&mut txn, None).expect("a database");
        txn.commit().expect("a commit");
        Self { env, data }
    }
}

impl Store for Lmdb {
    fn name(&self) -> &'static str {
        "lmdb"
    }

    fn load(&mut self, keys: u64) {
        for first in (0..keys).step_by(LOAD_KEYS as usize) {
            let mut txn = self.env.write_txn().expect("a transaction");
            for n in first..keys.min(first + LOAD_KEYS) {
                let value = [b'v'; VALUE_BYTES];
                self.data.put(&mut txn, &key(n), &value).expect("a put");
            }
            txn.commit().expect("a commit");
        }
        self.sync();
    }

    fn get_all(&mut self, keys: &mut dyn Iterator<Item = [u8; KEY_BYTES]>) -> u64 {
        let txn = self.env.read_txn().expect("a transaction");
        keys.map(|key| u64::from(self.data.get(&txn, &key).expect("a look-up").is_some()))
            .sum()
    }

    fn put(&self, key: &[u8; KEY_BYTES], value: &[u8; VALUE_BYTES]) {
        let mut txn = self.env.write_txn().expect("a transaction");
        self.data.put(&mut txn, key, value).expect("a put");
        txn.commit().expect("a commit");
    }

    fn sync(&self) {
        self.env.force_sync().expect("a sync");
    }
}
