//! redb.

use std::path::Path;

use ::redb::{Database, Durability, ReadableDatabase, TableDefinition};

use super::store::{KEY_BYTES, LOAD_KEYS, Store, VALUE_BYTES, key};

const DATA: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("data");

pub struct Redb {
    db: Database,
}

impl Redb {
    pub fn open(path: &Path, cache_bytes: u64) -> Self {
        let mut builder = Database::builder();
        builder.set_cache_size(cache_bytes as usize);
        Self {
            db: builder.create(path).expect("a new file"),
        }
    }

    fn change(
        &self,
        durability: Durability,
        pairs: &mut dyn Iterator<Item = ([u8; KEY_BYTES], [u8; VALUE_BYTES])>,
    ) {
        let mut txn = self.db.begin_write().expect("a transaction");
        txn.set_durability(durability).expect("a durability");
        {
            let mut table = txn.open_table(DATA).expect("a table");
            for (key, value) in pairs {
                table.insert(&key[..], &value[..]).expect("a put");
            }
        }
        txn.commit().expect("a commit");
    }
}

impl Store for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn load(&mut self, keys: u64) {
        for first in (0..keys).step_by(LOAD_KEYS as usize) {
            let numbers = first..keys.min(first + LOAD_KEYS);
            let mut pairs = numbers.map(|n| (key(n), [b'v'; VALUE_BYTES]));
            self.change(Durability::None, &mut pairs);
        }
        self.sync();
    }

    fn get_all(&mut self, keys: &mut dyn Iterator<Item = [u8; KEY_BYTES]>) -> u64 {
        let txn = self.db.begin_read().expect("a transaction");
        let table = txn.open_table(DATA).expect("a table");
        keys.map(|key| u64::from(table.get(&key[..]).expect("a look-up").is_some()))
            .sum()
    }

    fn put(&self, key: &[u8; KEY_BYTES], value: &[u8; VALUE_BYTES]) {
        self.change(Durability::None, &mut std::iter::once((*key, *value)));
    }

    fn sync(&self) {
        self.change(Durability::Immediate, &mut std::iter::empty());
    }
}
