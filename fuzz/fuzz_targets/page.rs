//! Pages: what passes the checks of a read can be searched and read without going astray.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redkeep::storage::cell::Cell;
use redkeep::storage::node::{Node, Search, key_inline_max};
use redkeep::storage::page::{self, Kind};
use redkeep::storage::pager::check_inside;
use redkeep::storage::tree::Child;

const PAGE: usize = 512;

fuzz_target!(|input: &[u8]| {
    let Some((key_bytes, rest)) = input.split_first() else {
        return;
    };
    let (key, bytes) = rest.split_at(usize::from(*key_bytes).min(rest.len()));
    // The tail of a page is full of cells: it is taken from the input as the head is.
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    let mut page = vec![0; PAGE];
    let (h, t) = (head.len().min(PAGE / 2), tail.len().min(PAGE / 2));
    page[..h].copy_from_slice(&head[..h]);
    page[PAGE - t..].copy_from_slice(&tail[tail.len() - t..]);
    page::seal(&mut page);
    let ptr = page::ptr_of(&page);
    assert!(page::verify(&page, ptr).is_ok());
    if check_inside(&page).is_err() {
        return;
    }
    match Kind::of(&page) {
        Some(Kind::Leaf | Kind::Branch) => read_node(&page, key),
        Some(Kind::BlobBranch) => {
            redkeep::storage::blob::children(&page).count();
        }
        Some(Kind::BlobLeaf | Kind::FreeMap) | None => {}
    }
});

fn read_node(page: &[u8], key: &[u8]) {
    let node = Node::new(page);
    let inline_max = key_inline_max(page.len());
    let mut full = Vec::new();
    for i in 0..node.len() {
        node.key_over(i, &mut full);
        if node.is_leaf() {
            let cell = Cell::new(node.value(i));
            let parts = cell.attachments().count() + cell.head().len();
            assert!(parts <= node.value(i).len() && cell.slots() <= 3);
            cell.body_len();
            if !node.has_overflow(i) {
                assert_eq!(node.search(&full, inline_max, 0), Search::Found(i));
            }
        } else {
            Child::decode(node.value(i));
        }
        node.overflow(i);
    }
    match node.search(key, inline_max, usize::from(!node.is_leaf())) {
        Search::Found(i) => assert!(i < node.len()),
        Search::Missing(i) => assert!(i <= node.len()),
        Search::Ambiguous { from, to } => assert!(from < to && to <= node.len()),
    }
    assert!(node.used_bytes() + node.free_bytes() <= page.len());
}
