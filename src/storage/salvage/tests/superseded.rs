//! Pages of earlier states, which copies have replaced and nothing has overwritten yet, beside a damaged free map: nothing
//! but their stamps tells them from those in use. An earlier branch was once placed by the bounds of its own page
//! alone, so that values of its last leaf took the place of newer ones in pages that are not damaged, and what had been
//! deleted came back between what was read of its successor.

use super::live::Live;
use super::*;

fn spoil(image: &mut Image, no: u64) {
    image.bytes[no as usize * PAGE + 99] ^= 1;
}

/// Damages the first page of the free map in force, so that superseded pages are not known as such.
fn spoil_free_map(image: &mut Image) {
    let (meta, _) = image.newest();
    assert!(!meta.free_map.is_null());
    spoil(image, meta.free_map.page.0);
}

/// The pages of root 0's tree at this level, in order.
fn level(image: &Image, level: u8) -> Vec<u64> {
    let paths = Live::of(image).paths;
    let mut pages: Vec<u64> = paths
        .range((0, Vec::new())..(1, Vec::new()))
        .flat_map(|(_, path)| path.iter().copied())
        .filter(|no| level_of(image.page(*no)) == level)
        .collect();
    pages.dedup();
    pages
}

/// The root page of root 0's tree.
fn top(image: &Image) -> u64 {
    let (_, path) = Live::of(image).paths.pop_first().expect("a key");
    path[0]
}

/// The last leaf of an earlier tree has keys of which the damaged branch has only the first.
#[test]
fn an_older_value_does_not_replace_a_newer_one_of_an_intact_page() {
    let mut rig = Rig::new();
    for n in 0..40_u32 {
        rig.put(0, format!("a{n:02}").as_bytes(), &[b'a'; 20]);
    }
    for n in 0..3_u32 {
        rig.put(0, format!("z{n}").as_bytes(), b"older");
    }
    rig.checkpoint();
    assert!(level(&Image::of(&rig.vfs), 1).len() == 1, "it has a branch");
    for n in 0..4_000_u32 {
        rig.put(0, format!("m{n:05}").as_bytes(), &[b'm'; 20]);
    }
    for n in 0..3_u32 {
        rig.put(0, format!("z{n}").as_bytes(), b"newer");
    }
    rig.checkpoint();
    let was = rig.contents().expect("it can be read");
    rig.kill();
    let mut image = Image::of(&rig.vfs);
    let branches = level(&image, 2);
    assert!(branches.len() >= 2, "{branches:?}");
    spoil_free_map(&mut image);
    spoil(&mut image, branches[0]);
    image.put_back(&rig.vfs);
    let (is, report) = salvaged(&rig.vfs);
    for n in 0..3_u32 {
        let key = (0, format!("z{n}").into_bytes());
        assert_eq!(is[&key], was[&key], "its page is not damaged");
        let named = report.scanned_ranges.iter().any(|(_, first, last)| {
            (first.as_slice()..=last.as_slice()).contains(&key.1.as_slice())
        });
        assert!(
            !named,
            "nothing in doubt is there: {:?}",
            report.scanned_ranges
        );
    }
    differences_are_named(&was, &is, &report, "a branch");
}

/// What the newer of two branches does not have any more was deleted. The pages above them are damaged, those of both times.
#[test]
fn what_a_newer_branch_has_lost_does_not_come_back_from_an_older_one() {
    let mut rig = Rig::new();
    for n in 0..2_000_u32 {
        rig.put(0, format!("k{n:05}").as_bytes(), &[b'v'; 20]);
    }
    rig.checkpoint();
    let earlier = top(&Image::of(&rig.vfs));
    rig.change(|engine| {
        let tree = engine.root(RootId(0))?;
        for n in (0..2_000_u32).filter(|n| n % 3 == 1) {
            engine.delete(tree, format!("k{n:05}").as_bytes())?;
        }
        Ok(())
    });
    rig.checkpoint();
    let was = rig.contents().expect("it can be read");
    rig.kill();
    let mut image = Image::of(&rig.vfs);
    let root = top(&image);
    let branches = Node::new(image.page(root)).len();
    spoil_free_map(&mut image);
    spoil(&mut image, root);
    spoil(&mut image, earlier);
    image.put_back(&rig.vfs);
    let (is, report) = salvaged(&rig.vfs);
    differences_are_named(&was, &is, &report, "a root");
    let back: Vec<&Vec<u8>> = is
        .keys()
        .filter(|key| !was.contains_key(key))
        .map(|(_, key)| key)
        .collect();
    // Where a branch below the damaged one ends, nothing says any more.
    assert!(back.len() <= branches, "{} came back", back.len());
    assert_eq!(is.len(), was.len() + back.len());
}

/// The branch is damaged, and an earlier one leads to leaves that it had taken over.
#[test]
fn leaves_that_an_older_branch_shares_with_the_damaged_one_are_found() {
    let mut rig = Rig::new();
    for n in 0..60_u32 {
        rig.put(0, format!("k{n:03}").as_bytes(), b"older");
    }
    rig.checkpoint();
    rig.put(0, b"k059", b"newer");
    rig.checkpoint();
    let was = rig.contents().expect("it can be read");
    rig.kill();
    let mut image = Image::of(&rig.vfs);
    let root = top(&image);
    spoil_free_map(&mut image);
    spoil(&mut image, root);
    image.put_back(&rig.vfs);
    let (is, report) = salvaged(&rig.vfs);
    assert!(is == was, "{report:?}");
    assert!(!is_whole(&report));
}

/// Two pages are damaged, one below the other: the other leaves of the lower one's branch are read all the same.
#[test]
fn a_branch_whose_first_leaf_is_damaged_is_taken() {
    let mut rig = Rig::new();
    for n in 0..1_000_u32 {
        rig.put(0, format!("k{n:05}").as_bytes(), &[b'v'; 20]);
    }
    rig.checkpoint();
    let was = rig.contents().expect("it can be read");
    rig.kill();
    let mut image = Image::of(&rig.vfs);
    let root = top(&image);
    let leaf = level(&image, 0)[0];
    let entries = Node::new(image.page(leaf)).len();
    spoil(&mut image, root);
    spoil(&mut image, leaf);
    image.put_back(&rig.vfs);
    let (is, report) = salvaged(&rig.vfs);
    differences_are_named(&was, &is, &report, "a root and a leaf");
    assert_eq!(is.len() + entries, was.len());
    let missing: u64 = report.gaps.iter().map(|gap| gap.entries).sum();
    assert_eq!(missing, entries as u64, "{:?}", report.gaps);
}
