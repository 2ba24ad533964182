//! What a database holds, as maps, and the changes that a workload makes: to the maps and to the engine.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use redkeep::storage::{Body, Engine, Error, Read, RootId, Seek, TreeId};

use crate::trace::Digest;

/// Bytes of a key, a head or a body.
pub type Bytes = Vec<u8>;

/// What a cell holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub head: Bytes,
    pub body: Bytes,
    pub trees: Vec<BTreeMap<Bytes, Held>>,
}

/// The roots of a database.
pub type Model = BTreeMap<(u32, Bytes), Held>;

/// The roots that workloads use.
pub const ROOTS: [u32; 3] = [0, 1, 7];

/// Nested trees of a cell that has any.
const SLOTS: usize = 2;

/// The one of them that workloads fill.
const SLOT: usize = 1;

/// One change. `id` numbers the write: values are made of the key and the id, so that a value says which write it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Put(u32, Bytes, usize, u64),
    PutNested(u32, Bytes),
    PutInner(u32, Bytes, Bytes, usize, u64),
    DeleteInner(u32, Bytes, Bytes),
    /// A cell with nested trees in a nested tree.
    PutInnerNested(u32, Bytes, Bytes),
    SetInnerHead(u32, Bytes, Bytes, u64),
    /// In a nested tree of a cell of a nested tree.
    PutDeep(u32, Bytes, Bytes, Bytes, usize, u64),
    DeleteDeep(u32, Bytes, Bytes, Bytes),
    SetHead(u32, Bytes, u64),
    Write(u32, Bytes, usize, usize, u64),
    Truncate(u32, Bytes, usize),
    Delete(u32, Bytes),
    DeleteRange(u32, Bytes, Option<Bytes>),
    Move(u32, Bytes, u32, Bytes),
    Copy(u32, Bytes, u32, Bytes),
    DropRoot(u32),
    SwapRoots(u32, u32),
}

/// `len` bytes of a value: the key and the id of the write, over and over.
pub fn value(key: &[u8], id: u64, len: usize) -> Bytes {
    let mut unit: Bytes = key.iter().take(40).copied().collect();
    unit.extend_from_slice(format!("#{id};").as_bytes());
    unit.iter().copied().cycle().take(len).collect()
}

/// The head of the cell that write `id` made.
fn head(id: u64) -> Bytes {
    id.to_le_bytes().to_vec()
}

/// An empty cell with nested trees.
fn empty_nested() -> Held {
    Held {
        head: b"nested".to_vec(),
        body: Bytes::new(),
        trees: vec![BTreeMap::new(); SLOTS],
    }
}

/// A cell of a nested tree that write `id` made.
fn leaf(name: &[u8], id: u64, len: usize) -> Held {
    Held {
        body: value(name, id, len),
        ..Held::default()
    }
}

impl Held {
    /// The tree of the cell in which workloads put what they nest.
    fn inner(&mut self) -> Option<&mut BTreeMap<Bytes, Held>> {
        self.trees.get_mut(SLOT)
    }
}

/// Does a step to the maps.
pub fn apply_to_model(model: &mut Model, step: &Step) {
    match step.clone() {
        Step::Put(root, key, len, id) => {
            let body = value(&key, id, len);
            let held = Held {
                head: head(id),
                body,
                trees: Vec::new(),
            };
            model.insert((root, key), held);
        }
        Step::PutNested(root, key) => {
            model.insert((root, key), empty_nested());
        }
        Step::PutInner(root, key, inner, len, id) => {
            if let Some(tree) = inner_of(model, root, key) {
                tree.insert(inner.clone(), leaf(&inner, id, len));
            }
        }
        Step::DeleteInner(root, key, inner) => {
            if let Some(tree) = inner_of(model, root, key) {
                tree.remove(&inner);
            }
        }
        Step::PutInnerNested(root, key, inner) => {
            if let Some(tree) = inner_of(model, root, key) {
                tree.insert(inner, empty_nested());
            }
        }
        Step::SetInnerHead(root, key, inner, id) => {
            let held = inner_of(model, root, key).and_then(|tree| tree.get_mut(&inner));
            if let Some(held) = held {
                held.head = head(id);
            }
        }
        Step::PutDeep(root, key, inner, deep, len, id) => {
            if let Some(tree) = deep_of(model, root, key, &inner) {
                tree.insert(deep.clone(), leaf(&deep, id, len));
            }
        }
        Step::DeleteDeep(root, key, inner, deep) => {
            if let Some(tree) = deep_of(model, root, key, &inner) {
                tree.remove(&deep);
            }
        }
        Step::SetHead(root, key, id) => {
            if let Some(held) = model.get_mut(&(root, key)) {
                held.head = head(id);
            }
        }
        Step::Write(root, key, offset, len, id) => {
            let bytes = value(&key, id, len);
            if let Some(held) = model.get_mut(&(root, key)) {
                let end = held.body.len().max(offset + len);
                held.body.resize(end, 0);
                held.body[offset..offset + len].copy_from_slice(&bytes);
            }
        }
        Step::Truncate(root, key, len) => {
            if let Some(held) = model.get_mut(&(root, key)) {
                held.body.truncate(len);
            }
        }
        Step::Delete(root, key) => {
            model.remove(&(root, key));
        }
        Step::DeleteRange(root, from, to) => model.retain(|(r, key), _| {
            *r != root || *key < from || to.as_ref().is_some_and(|to| key >= to)
        }),
        Step::Move(root, key, to, to_key) => {
            if let Some(held) = model.remove(&(root, key)) {
                model.insert((to, to_key), held);
            }
        }
        Step::Copy(root, key, to, to_key) => {
            if let Some(held) = model.get(&(root, key)).cloned() {
                model.insert((to, to_key), held);
            }
        }
        Step::DropRoot(root) => model.retain(|(r, _), _| *r != root),
        Step::SwapRoots(a, b) => {
            let swapped = std::mem::take(model)
                .into_iter()
                .map(|((root, key), held)| {
                    let root = match root {
                        r if r == a => b,
                        r if r == b => a,
                        r => r,
                    };
                    ((root, key), held)
                });
            *model = swapped.collect();
        }
    }
}

/// The tree that is nested in a cell, in the maps.
fn inner_of(model: &mut Model, root: u32, key: Bytes) -> Option<&mut BTreeMap<Bytes, Held>> {
    model.get_mut(&(root, key))?.inner()
}

/// The tree that is nested in a cell of that one.
fn deep_of<'a>(
    model: &'a mut Model,
    root: u32,
    key: Bytes,
    inner: &[u8],
) -> Option<&'a mut BTreeMap<Bytes, Held>> {
    inner_of(model, root, key)?.get_mut(inner)?.inner()
}

/// The tree that is nested in a cell, if that has any.
fn tree_below(engine: &mut Engine, tree: TreeId, key: &[u8]) -> Result<Option<TreeId>, Error> {
    let has = engine.get(tree, key)?.is_some_and(|cell| cell.slots() > 0);
    if has {
        engine.nested(tree, key, SLOT)
    } else {
        Ok(None)
    }
}

fn inner_tree(engine: &mut Engine, root: u32, key: &[u8]) -> Result<Option<TreeId>, Error> {
    let tree = engine.root(RootId(root))?;
    tree_below(engine, tree, key)
}

fn deep_tree(
    engine: &mut Engine,
    root: u32,
    key: &[u8],
    inner: &[u8],
) -> Result<Option<TreeId>, Error> {
    match inner_tree(engine, root, key)? {
        Some(tree) => tree_below(engine, tree, inner),
        None => Ok(None),
    }
}

/// Does a step to the engine, inside a transaction.
pub fn apply_to_engine(engine: &mut Engine, step: &Step) -> Result<(), Error> {
    match step {
        Step::Put(root, key, len, id) => {
            let tree = engine.root(RootId(*root))?;
            engine.put(tree, key, &head(*id), &value(key, *id, *len))
        }
        Step::PutNested(root, key) => {
            let tree = engine.root(RootId(*root))?;
            engine.put_nested(tree, key, b"nested", SLOTS)
        }
        Step::PutInner(root, key, inner, len, id) => match inner_tree(engine, *root, key)? {
            Some(tree) => engine.put(tree, inner, b"", &value(inner, *id, *len)),
            None => Ok(()),
        },
        Step::DeleteInner(root, key, inner) => match inner_tree(engine, *root, key)? {
            Some(tree) => engine.delete(tree, inner).map(|_| ()),
            None => Ok(()),
        },
        Step::PutInnerNested(root, key, inner) => match inner_tree(engine, *root, key)? {
            Some(tree) => engine.put_nested(tree, inner, b"nested", SLOTS),
            None => Ok(()),
        },
        Step::SetInnerHead(root, key, inner, id) => match inner_tree(engine, *root, key)? {
            Some(tree) if engine.get(tree, inner)?.is_some() => {
                engine.set_head(tree, inner, &head(*id))
            }
            _ => Ok(()),
        },
        Step::PutDeep(root, key, inner, deep, len, id) => {
            match deep_tree(engine, *root, key, inner)? {
                Some(tree) => engine.put(tree, deep, b"", &value(deep, *id, *len)),
                None => Ok(()),
            }
        }
        Step::DeleteDeep(root, key, inner, deep) => match deep_tree(engine, *root, key, inner)? {
            Some(tree) => engine.delete(tree, deep).map(|_| ()),
            None => Ok(()),
        },
        Step::SetHead(root, key, id) => {
            let tree = engine.root(RootId(*root))?;
            match engine.get(tree, key)?.is_some() {
                true => engine.set_head(tree, key, &head(*id)),
                false => Ok(()),
            }
        }
        Step::Write(root, key, offset, len, id) => {
            let tree = engine.root(RootId(*root))?;
            let bytes = value(key, *id, *len);
            match engine.get(tree, key)?.is_some() {
                true => engine.write_body(tree, key, *offset as u64, &bytes),
                false => Ok(()),
            }
        }
        Step::Truncate(root, key, len) => {
            let tree = engine.root(RootId(*root))?;
            match engine.get(tree, key)?.is_some() {
                true => engine.truncate_body(tree, key, *len as u64),
                false => Ok(()),
            }
        }
        Step::Delete(root, key) => {
            let tree = engine.root(RootId(*root))?;
            engine.delete(tree, key).map(|_| ())
        }
        Step::DeleteRange(root, from, to) => {
            let tree = engine.root(RootId(*root))?;
            engine.delete_range(tree, from, to.as_deref()).map(|_| ())
        }
        Step::Move(root, key, to, to_key) => {
            let (from, to) = (engine.root(RootId(*root))?, engine.root(RootId(*to))?);
            engine.move_cell(from, key, to, to_key).map(|_| ())
        }
        Step::Copy(root, key, to, to_key) => {
            let (from, to) = (engine.root(RootId(*root))?, engine.root(RootId(*to))?);
            engine.copy_cell(from, key, to, to_key).map(|_| ())
        }
        Step::DropRoot(root) => engine.drop_root(RootId(*root)),
        Step::SwapRoots(a, b) => engine.swap_roots(RootId(*a), RootId(*b)),
    }
}

/// Whether a step only takes away: what a full disk still has room for.
pub fn is_deletion(step: &Step) -> bool {
    matches!(
        step,
        Step::Delete(..)
            | Step::DeleteRange(..)
            | Step::DropRoot(_)
            | Step::DeleteInner(..)
            | Step::DeleteDeep(..)
    )
}

fn keys_of<R: Read>(reader: &mut R, tree: TreeId) -> Result<Vec<Bytes>, Error> {
    let mut keys = Vec::new();
    reader.scan(tree, Seek::First, &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    Ok(keys)
}

fn held_at<R: Read>(reader: &mut R, tree: TreeId, key: &[u8]) -> Result<Option<Held>, Error> {
    let Some(cell) = reader.get(tree, key)? else {
        return Ok(None);
    };
    let slots = cell.slots();
    let len = cell.body_len();
    let mut held = Held {
        head: cell.head().to_vec(),
        ..Held::default()
    };
    if let Body::Inline(bytes) = cell.body() {
        assert_eq!(bytes.len() as u64, len);
    }
    reader.read_body(tree, key, 0, u64::MAX, &mut held.body)?;
    for slot in 0..slots {
        let Some(nested) = reader.nested(tree, key, slot)? else {
            return Ok(None);
        };
        let mut inner = BTreeMap::new();
        for name in keys_of(reader, nested)? {
            let Some(below) = held_at(reader, nested, &name)? else {
                return Ok(None);
            };
            inner.insert(name, below);
        }
        held.trees.push(inner);
    }
    Ok(Some(held))
}

/// Everything under the roots that workloads use.
pub fn contents<R: Read>(reader: &mut R) -> Result<Model, Error> {
    let mut out = Model::new();
    for root in ROOTS {
        let tree = reader.root(RootId(root))?;
        for key in keys_of(reader, tree)? {
            if let Some(held) = held_at(reader, tree, &key)? {
                out.insert((root, key), held);
            }
        }
    }
    Ok(out)
}

/// Everything that can be read: cells whose pages are damaged are left out. The number of reads that failed, and
/// the cells that were read.
pub fn readable<R: Read>(reader: &mut R, expected: &Model) -> (u64, Model) {
    let mut out = Model::new();
    let mut failed = 0;
    for (root, key) in expected.keys() {
        let found = reader
            .root(RootId(*root))
            .and_then(|tree| held_at(reader, tree, key));
        match found {
            Ok(Some(held)) => {
                out.insert((*root, key.clone()), held);
            }
            Ok(None) => {}
            Err(_) => failed += 1,
        }
    }
    (failed, out)
}

/// A hash of a state that does not depend on how it came about.
pub fn state_hash(model: &Model) -> u128 {
    let mut digest = Digest::default();
    for ((root, key), held) in model {
        digest.number(u64::from(*root));
        digest.bytes(key);
        digest_held(&mut digest, held);
    }
    digest.value()
}

fn digest_held(digest: &mut Digest, held: &Held) {
    digest.bytes(&held.head);
    digest.bytes(&held.body);
    digest.number(held.trees.len() as u64);
    for tree in &held.trees {
        digest.number(tree.len() as u64);
        for (name, below) in tree {
            digest.bytes(name);
            digest_held(digest, below);
        }
    }
}

/// The id of the write that a body begins with, for messages.
fn id_of(body: &[u8]) -> String {
    let text: String = body.iter().take(60).map(|b| char::from(*b)).collect();
    format!("{} bytes {text:?}", body.len())
}

/// The first difference of two states, for people: both ids are named (O6).
pub fn difference(expected: &Model, found: &Model) -> String {
    fn sizes(held: &Held) -> Vec<usize> {
        held.trees.iter().map(BTreeMap::len).collect()
    }
    let show = |held: Option<&Held>| match held {
        None => "nothing".to_owned(),
        Some(held) => format!(
            "head {:?}, body {}, {} trees of {:?}, trees below of {:?}",
            held.head,
            id_of(&held.body),
            held.trees.len(),
            sizes(held),
            held.trees
                .iter()
                .flat_map(BTreeMap::values)
                .map(sizes)
                .filter(|sizes| !sizes.is_empty())
                .collect::<Vec<_>>()
        ),
    };
    for place in expected.keys().chain(found.keys()) {
        let (e, f) = (expected.get(place), found.get(place));
        if e != f {
            return format!(
                "root {} key {:?}: expected {}, found {}",
                place.0,
                String::from_utf8_lossy(&place.1),
                show(e),
                show(f)
            );
        }
    }
    "none".to_owned()
}
