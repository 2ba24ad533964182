//! Keys whose values may be of an earlier state than the one at which the log begins.
//!
//! A change in part, made to a value that it was not made to, gives one that never was. So such a key stays as it was
//! found, until the log gives it a whole new value.

use std::collections::BTreeSet;
use std::rc::Rc;

/// Keys of root trees that are in doubt.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    places: Vec<Place>,
    /// Keys there with new values.
    renewed: BTreeSet<(u32, Vec<u8>)>,
}

/// A range of keys.
#[derive(Debug)]
struct Place {
    root: u32,
    low: Option<Rc<[u8]>>,
    high: Option<Rc<[u8]>>,
}

impl Doubt {
    /// Keys of this root from `low` on and below `high` are in doubt.
    pub fn add(&mut self, root: u32, low: Option<Rc<[u8]>>, high: Option<Rc<[u8]>>) {
        self.places.push(Place { root, low, high });
    }

    pub fn has(&self, root: u32, key: &[u8]) -> bool {
        let is_there = |place: &Place| {
            place.root == root
                && place.low.as_deref().is_none_or(|low| key >= low)
                && place.high.as_deref().is_none_or(|high| key < high)
        };
        self.places.iter().any(is_there) && !self.renewed.contains(&(root, key.to_vec()))
    }

    /// The key has a new value, or none.
    pub fn renew(&mut self, root: u32, key: &[u8]) {
        if self.has(root, key) {
            self.renewed.insert((root, key.to_vec()));
        }
    }

    pub fn forget_root(&mut self, root: u32) {
        self.places.retain(|place| place.root != root);
        self.renewed.retain(|(of, _)| *of != root);
    }

    pub fn swap_roots(&mut self, a: u32, b: u32) {
        let swapped = |root: u32| match root {
            root if root == a => b,
            root if root == b => a,
            root => root,
        };
        for place in &mut self.places {
            place.root = swapped(place.root);
        }
        let renewed = std::mem::take(&mut self.renewed).into_iter();
        self.renewed = renewed.map(|(root, key)| (swapped(root), key)).collect();
    }
}
