//! What the newest meta of an undamaged file leads to, found without the code that is tested.

use std::collections::BTreeMap;

use crate::storage::cell::{Body, Cell};
use crate::storage::check::tests::rig::Image;
use crate::storage::node::Node;
use crate::storage::page::{Desc, PagePtr, level_of};
use crate::storage::tree::Child;

/// A root and a key.
pub(super) type Key = (u32, Vec<u8>);

/// Pages of trees to which the newest meta leads, with the keys of root trees that stand in leaves.
#[derive(Default)]
pub(super) struct Live {
    /// Numbers and levels.
    pub pages: Vec<(u64, u8)>,
    /// Keys and the pages from the root to their leaf.
    pub paths: BTreeMap<Key, Vec<u64>>,
}

/// What is asked of each entry, with its key and the pages on the way to it: what hangs there and is to be seen, too.
type See<'a> = dyn FnMut(&[u8], &Cell<'_>, &[u64]) -> Vec<Desc> + 'a;

impl Live {
    pub fn of(image: &Image) -> Self {
        let (meta, _) = image.newest();
        let mut live = Self::default();
        let mut roots = Vec::new();
        live.walk(image, meta.catalog, &mut |key, cell, _| {
            let (b'r', body) = (key[0], cell.body()) else {
                return Vec::new();
            };
            if let Body::Inline(body) = body {
                let id = u32::from_be_bytes(key[1..5].try_into().expect("four bytes"));
                roots.push((id, Desc::decode(body)));
            }
            Vec::new()
        });
        for (id, desc) in roots {
            let mut paths = Vec::new();
            live.walk(image, desc, &mut |key, cell, path| {
                paths.push(((id, key.to_vec()), path.to_vec()));
                cell.attachments().filter(|desc| !desc.is_blob).collect()
            });
            live.paths.extend(paths);
        }
        live
    }

    fn walk(&mut self, image: &Image, desc: Desc, see: &mut See<'_>) {
        let mut stack: Vec<(PagePtr, Vec<u64>)> = vec![(desc.root, Vec::new())];
        while let Some((ptr, mut path)) = stack.pop() {
            if ptr.is_null() {
                continue;
            }
            path.push(ptr.page.0);
            let page = image.page(ptr.page.0);
            self.pages.push((ptr.page.0, level_of(page)));
            let node = Node::new(page);
            let mut key = Vec::new();
            for i in 0..node.len() {
                if level_of(page) > 0 {
                    stack.push((Child::decode(node.value(i)).ptr, path.clone()));
                    continue;
                }
                node.key_over(i, &mut key);
                for below in see(&key, &Cell::new(node.value(i)), &path) {
                    self.walk(image, below, &mut |_, _, _| Vec::new());
                }
            }
        }
    }
}
