//! Random histories, random damage: nothing is salvaged that never was, what is older is named as older, and nothing is older
//! where the file says what is in use.

use std::collections::BTreeMap;

use super::live::{Key, Live};
use super::*;
use crate::storage::check::tests::rig::{Held, ROOTS};
use crate::storage::log::Lsn;

/// Histories that every run of the tests tries.
const SEEDS: u64 = 100;

/// Draws that a seed decides: xorshift, begun behind a mix of the seed.
struct Draws(u64);

impl Draws {
    fn of(seed: u64) -> Self {
        let mut draws = Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for _ in 0..4 {
            draws.next();
        }
        draws
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A key in the model: its body, and the entries of its trees by tree and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Plain {
    body: Vec<u8>,
    slots: usize,
    inner: BTreeMap<(usize, Vec<u8>), Vec<u8>>,
}

impl Plain {
    fn held(&self) -> Held {
        let inner = self.inner.iter();
        Held {
            head: b"h".to_vec(),
            body: self.body.clone(),
            inner: inner
                .map(|((_, name), value)| (name.clone(), value.clone()))
                .collect(),
        }
    }
}

/// A database with a history, and everything that it ever had.
struct History {
    rig: Rig,
    draws: Draws,
    keys: usize,
    now: BTreeMap<Key, Plain>,
    /// Contents after each transaction.
    after: BTreeMap<Lsn, BTreeMap<Key, Plain>>,
    bodies: BTreeSet<(Key, Vec<u8>)>,
    members: BTreeSet<(Key, Vec<u8>, Vec<u8>)>,
    version: u64,
}

impl History {
    fn of(seed: u64) -> Self {
        let mut draws = Draws::of(seed);
        let keys = [30, 150, 900][draws.below(3)];
        let mut history = Self {
            rig: Rig::new(),
            draws,
            keys,
            now: BTreeMap::new(),
            after: BTreeMap::new(),
            bodies: BTreeSet::new(),
            members: BTreeSet::new(),
            version: 0,
        };
        history.note();
        for _ in 0..history.draws.below(4) + 1 {
            for _ in 0..history.draws.below(60) + 5 {
                history.act();
            }
            history.rig.checkpoint();
            if history.draws.one_in(6) {
                history.rig.kill();
                history.rig.reopen();
            }
        }
        for _ in 0..history.draws.below(20) {
            history.act();
        }
        history
    }

    fn note(&mut self) {
        let lsn = self.rig.with(|engine| engine.last_lsn());
        self.after.insert(lsn, self.now.clone());
    }

    fn key(&mut self) -> Key {
        let root = ROOTS[usize::from(self.draws.one_in(3))];
        let n = self.draws.below(self.keys);
        let mut key = format!("k{n:04}").into_bytes();
        if n % 31 == 7 {
            key = vec![b'x'; 60];
            key.extend(format!("{n:04}").bytes());
        }
        (root, key)
    }

    /// Bytes that no other key and no other moment has.
    fn value(&mut self, key: &Key, member: &[u8]) -> Vec<u8> {
        self.version += 1;
        let name = String::from_utf8_lossy(&key.1[key.1.len() - 4..]).into_owned();
        let member = String::from_utf8_lossy(member).into_owned();
        let mut value = format!("{}/{name}/{member}/{}/", key.0, self.version).into_bytes();
        let more = match self.draws.below(30) {
            0 => 600 + self.draws.below(3000),
            _ => self.draws.below(50),
        };
        value.resize(value.len() + more, b'.');
        value
    }

    fn put(&mut self, key: &Key) {
        let body = self.value(key, b"");
        self.rig.change(|engine| {
            let tree = engine.root(RootId(key.0))?;
            engine.put(tree, &key.1, b"h", &body)
        });
        self.bodies.insert((key.clone(), body.clone()));
        let plain = Plain {
            body,
            ..Plain::default()
        };
        self.now.insert(key.clone(), plain);
        self.note();
    }

    fn put_run(&mut self) {
        let (root, first) = (self.key().0, self.draws.below(self.keys));
        let count = self.draws.below(self.keys.min(300)) + 1;
        let mut run = Vec::new();
        for n in first..(first + count).min(self.keys) {
            let key = (root, format!("k{n:04}").into_bytes());
            let body = self.value(&key, b"");
            run.push((key, body));
        }
        self.rig.change(|engine| {
            let tree = engine.root(RootId(root))?;
            for (key, body) in &run {
                engine.put(tree, &key.1, b"h", body)?;
            }
            Ok(())
        });
        for (key, body) in run {
            self.bodies.insert((key.clone(), body.clone()));
            let plain = Plain {
                body,
                ..Plain::default()
            };
            self.now.insert(key, plain);
        }
        self.note();
    }

    fn delete(&mut self, key: &Key) {
        self.rig.change(|engine| {
            let tree = engine.root(RootId(key.0))?;
            engine.delete(tree, &key.1)
        });
        self.now.remove(key);
        self.note();
    }

    fn delete_range(&mut self) {
        let (root, from) = self.key();
        let count = self.draws.below(self.keys / 3 + 1);
        let inside: Vec<Key> = self
            .now
            .range((root, from.clone())..(root + 1, Vec::new()))
            .map(|(key, _)| key.clone())
            .take(count + 1)
            .collect();
        let Some(((_, to), gone)) = inside.split_last() else {
            return;
        };
        self.rig.change(|engine| {
            let tree = engine.root(RootId(root))?;
            engine.delete_range(tree, &from, Some(to)).map(|_| ())
        });
        for key in gone {
            self.now.remove(key);
        }
        self.note();
    }

    /// Puts members into a collection, which is made if it is none, or takes some out.
    fn change_members(&mut self, key: &Key) {
        if self.now.get(key).is_none_or(|plain| plain.slots == 0) {
            let slots = self.draws.below(2) + 1;
            self.rig.change(|engine| {
                let tree = engine.root(RootId(key.0))?;
                engine.put_nested(tree, &key.1, b"h", slots)
            });
            self.bodies.insert((key.clone(), Vec::new()));
            let plain = Plain {
                slots,
                ..Plain::default()
            };
            self.now.insert(key.clone(), plain);
            self.note();
        }
        let slot = self.draws.below(self.now[key].slots);
        let grows = !self.draws.one_in(3);
        let most = [4, 60, 250][self.draws.below(3)];
        let first = self.draws.below(300);
        let names: Vec<Vec<u8>> = (first..first + self.draws.below(most) + 1)
            .map(|n| format!("{slot}m{n:04}").into_bytes())
            .collect();
        let values: Vec<Vec<u8>> = names.iter().map(|name| self.value(key, name)).collect();
        self.rig.change(|engine| {
            let tree = engine.root(RootId(key.0))?;
            let nested = engine.nested(tree, &key.1, slot)?.expect("it is there");
            for (name, value) in names.iter().zip(&values) {
                if grows {
                    engine.put(nested, name, b"", value)?;
                } else {
                    engine.delete(nested, name)?;
                }
            }
            Ok(())
        });
        let plain = self.now.get_mut(key).expect("it is there");
        for (name, value) in names.into_iter().zip(values) {
            if grows {
                self.members
                    .insert((key.clone(), name.clone(), value.clone()));
                plain.inner.insert((slot, name), value);
            } else {
                plain.inner.remove(&(slot, name));
            }
        }
        self.note();
    }

    fn append(&mut self, key: &Key) {
        let Some(plain) = self.now.get(key).filter(|plain| plain.slots == 0) else {
            return;
        };
        let mut body = plain.body.clone();
        self.version += 1;
        let more = format!("+{}", self.version).into_bytes();
        let at = body.len() as u64;
        self.rig.change(|engine| {
            let tree = engine.root(RootId(key.0))?;
            engine.splice_body(tree, &key.1, at, 0, &more)
        });
        body.extend(more);
        self.bodies.insert((key.clone(), body.clone()));
        self.now.get_mut(key).expect("it is there").body = body;
        self.note();
    }

    fn act(&mut self) {
        let key = self.key();
        match self.draws.below(20) {
            0 => self.put_run(),
            1..=9 => self.put(&key),
            10..=12 => self.delete(&key),
            13 => self.delete_range(),
            14..=16 => self.change_members(&key),
            _ => self.append(&key),
        }
    }
}

/// What was damaged.
#[derive(Debug, Default)]
struct Damage {
    pages: BTreeSet<u64>,
    free_map: bool,
    metas: usize,
    log: bool,
}

fn damage(history: &mut History, image: &mut Image, live: &Live) -> Damage {
    let draws = &mut history.draws;
    let mut damage = Damage::default();
    let branches: Vec<u64> = (live.pages.iter())
        .filter(|(_, level)| *level > 0)
        .map(|(no, _)| *no)
        .collect();
    let (meta, _) = image.newest();
    let count = draws.below(4) + 1;
    for _ in 0..count.min(live.pages.len()) {
        let no = match draws.below(6) {
            0..=2 if !branches.is_empty() => branches[draws.below(branches.len())],
            3 => live.pages[draws.below(live.pages.len())].0,
            4 => {
                damage.free_map = true;
                meta.free_map.page.0
            }
            _ => live.pages[draws.below(live.pages.len())].0,
        };
        if no > 0 && damage.pages.insert(no) {
            let at = no as usize * PAGE;
            match draws.below(3) {
                0 => image.bytes[at..at + PAGE].fill(0),
                _ => image.bytes[at + draws.below(PAGE)] ^= 1 << draws.below(8),
            }
        }
    }
    match draws.below(10) {
        0 | 1 => {
            damage.metas = [4, draws.below(4) + 1][draws.below(2)];
            let first = draws.below(4);
            for i in 0..damage.metas {
                let copy = (first + i) % 4;
                image.bytes[copy * META_BYTES..][..META_BYTES].fill(0x5a);
            }
        }
        2 => {
            let mut log = history.rig.vfs.bytes(&wal());
            let at = draws.below(log.len());
            log[at] ^= 1 << draws.below(8);
            history.rig.vfs.set(&wal(), log);
            damage.log = true;
        }
        _ => {}
    }
    damage
}

fn is_in_range(report: &Report, root: u32, key: &[u8], guessed_only: bool) -> bool {
    report.scanned_ranges.iter().any(|(kind, first, last)| {
        let id = match *kind {
            TreeKind::Guessed(id) => id,
            TreeKind::Known(id) if !guessed_only => id,
            TreeKind::Known(_) => return false,
        };
        id.0 == root && (first.as_slice()..=last.as_slice()).contains(&key)
    })
}

fn try_seed(seed: u64) {
    let mut history = History::of(seed);
    let seen = history.rig.contents().expect("it can be read");
    let model = |now: &BTreeMap<Key, Plain>| -> Contents {
        now.iter()
            .map(|(key, plain)| (key.clone(), plain.held()))
            .collect()
    };
    assert!(seen == model(&history.now), "the model is right");
    history.rig.kill();
    let mut image = Image::of(&history.rig.vfs);
    let live = Live::of(&image);
    let damaged = damage(&mut history, &mut image, &live);
    image.put_back(&history.rig.vfs);
    let what = format!("seed {seed}, {damaged:?}");
    let (is, report) = salvaged(&history.rig.vfs);
    let last = Lsn(report.checkpoint_lsn.0 + report.replayed);
    let was = model(
        history
            .after
            .get(&last)
            .expect("the state of a transaction"),
    );
    differences_are_named(&was, &is, &report, &what);
    let is_exact = !damaged.free_map && !report.is_scanned;
    for ((root, key), now) in &is {
        let of = (*root, key.clone());
        let shown = String::from_utf8_lossy(key);
        let then = was.get(&of);
        let text = String::from_utf8_lossy(&now.body[..now.body.len().min(40)]);
        let was_ever = history.bodies.contains(&(of.clone(), now.body.clone()));
        let is_guess = is_in_range(&report, *root, key, true);
        assert!(
            was_ever || is_guess,
            "{what}: root {root} {shown} never had {text}"
        );
        if is_exact {
            let same = then.is_some_and(|then| then.body == now.body);
            assert!(same, "{what}: root {root} {shown} has {text}, {then:?}");
        }
        for (name, value) in &now.inner {
            let member = String::from_utf8_lossy(name);
            let text = String::from_utf8_lossy(&value[..value.len().min(40)]);
            let entry = (of.clone(), name.clone(), value.clone());
            let was_ever = history.members.contains(&entry);
            assert!(
                was_ever || is_guess,
                "{what}: root {root} {shown} never had {member} {text}"
            );
            if is_exact {
                let same = then.is_some_and(|then| then.inner.contains(&(entry.1, entry.2)));
                assert!(same, "{what}: root {root} {shown} has {member} {text}");
            }
        }
    }
    if damaged.metas == 0 && !report.is_scanned {
        // What is reached from a root is what it was, whatever else is found.
        for (key, path) in &live.paths {
            let is_reached = !path.iter().any(|no| damaged.pages.contains(no));
            let noted = report.keys.contains_key(key);
            if is_reached
                && !noted
                && let Some(then) = was.get(key)
            {
                assert!(
                    is.get(key) == Some(then),
                    "{what}: root {} {} is reached: {:?}, not {then:?}",
                    key.0,
                    String::from_utf8_lossy(&key.1),
                    is.get(key),
                );
            }
        }
        let missing = was.keys().filter(|key| !is.contains_key(key)).count() as u64;
        let gone = report.keys.values().filter(|loss| loss.gone.is_some());
        let gaps = report.gaps.iter().map(|gap| gap.entries);
        let told = gone.count() as u64 + gaps.sum::<u64>() + report.unplaced;
        assert!(
            missing <= told,
            "{what}: {missing} are missing, {told} told"
        );
    }
}

/// Looks at [`SEEDS`] seeds, or at `REDKEEP_CASES` from `REDKEEP_SEED` on.
#[test]
fn what_is_salvaged_was_there_and_what_is_older_is_named() {
    let number = |name: &str, usual: u64| {
        let given = std::env::var(name).ok();
        given.map_or(usual, |text| text.parse().expect("a number"))
    };
    let first = number("REDKEEP_SEED", 0);
    for seed in first..first + number("REDKEEP_CASES", SEEDS) {
        try_seed(seed);
    }
}
