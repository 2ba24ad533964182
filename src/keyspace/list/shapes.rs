//! The nodes at the ends of lists that were pushed to or popped from lately, so that they need not be found again.

use super::nodes::Shape;
use crate::storage::page::Desc;

const PLACES: usize = 64;

/// A table of fixed size. A shape is good for the tree exactly as it was: each change of a list's tree either notes
/// the new shape or removes the old one, every other change gives the tree another root, and what is undone clears the
/// table.
#[derive(Debug)]
pub(super) struct Shapes {
    places: Box<[Option<(Desc, Shape)>]>,
}

impl Default for Shapes {
    fn default() -> Self {
        Self {
            places: vec![None; PLACES].into(),
        }
    }
}

impl Shapes {
    fn place(&mut self, tree: &Desc) -> &mut Option<(Desc, Shape)> {
        &mut self.places[tree.root.page.0 as usize % PLACES]
    }

    pub fn get(&mut self, tree: &Desc) -> Option<Shape> {
        self.place(tree)
            .filter(|(desc, _)| desc == tree)
            .map(|(_, shape)| shape)
    }

    pub fn put(&mut self, tree: Desc, shape: Shape) {
        *self.place(&tree) = Some((tree, shape));
    }

    pub fn remove(&mut self, tree: &Desc) {
        let place = self.place(tree);
        if place.is_some_and(|(desc, _)| desc == *tree) {
            *place = None;
        }
    }

    pub fn clear(&mut self) {
        self.places.fill(None);
    }
}
