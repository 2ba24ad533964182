use std::sync::Arc;

use super::*;
use crate::vfs::MemFile;

/// A pager over an empty file in memory.
pub(crate) fn pager(page_bytes: usize, frames: u64) -> Pager {
    let file = Arc::new(MemFile::default());
    let pool = Arc::new(Pool::new(PoolShape::standard(page_bytes)));
    let source = PageSource::new(pool, file, Planted::none());
    let meta_pages = META_REGION_BYTES.div_ceil(page_bytes as u64);
    let cache = frames * page_bytes as u64;
    Pager::new(
        source,
        Space::full(meta_pages),
        Stamp(1),
        cache,
        Planted::none(),
    )
}

fn fill(pager: &mut Pager, frame: FrameNo, byte: u8) {
    pager.bytes_mut(frame)[page::HEADER_BYTES..].fill(byte);
}

fn byte(pager: &mut Pager, ptr: PagePtr) -> u8 {
    let frame = pager.fetch(ptr).expect("the page is readable");
    pager.bytes(frame)[page::HEADER_BYTES]
}

#[test]
fn pages_come_back_from_the_file_after_eviction() {
    let mut pager = pager(512, 4);
    let mut ptrs = Vec::new();
    for i in 0..50 {
        pager.begin_operation(OnMiss::Read);
        let frame = pager.birth(Kind::BlobLeaf, 0).expect("there is room");
        fill(&mut pager, frame, i);
        ptrs.push(pager.ptr(frame));
    }
    assert!(
        pager.stats().evictions > 0,
        "the pool is smaller than the data"
    );
    for (i, ptr) in ptrs.iter().enumerate() {
        pager.begin_operation(OnMiss::Read);
        assert_eq!(byte(&mut pager, *ptr), i as u8);
        assert!(pager.frames().0 <= 5, "the pool keeps to its bound");
    }
}

#[test]
fn a_frozen_page_is_copied_and_its_old_bytes_stay() {
    let mut pager = pager(512, 16);
    let frame = pager.birth(Kind::BlobLeaf, 0).expect("there is room");
    fill(&mut pager, frame, 1);
    let old = pager.ptr(frame);
    let pin = pager.freeze();
    let copy = pager.own(frame).expect("there is room");
    fill(&mut pager, copy, 2);
    let new = pager.ptr(copy);
    assert_ne!(old, new);
    assert_eq!((byte(&mut pager, old), byte(&mut pager, new)), (1, 2));
    let free = pager.space().free_pages();
    pager.release(pin);
    assert_eq!(
        pager.space().free_pages(),
        free + 1,
        "nobody reaches the old page any more"
    );
    let same = pager.own(copy).expect("there is room");
    assert_eq!(pager.ptr(same), new, "a private page is changed in place");
}

#[test]
fn rolling_back_restores_the_free_pages_exactly() {
    let mut pager = pager(512, 4);
    let frame = pager.birth(Kind::BlobLeaf, 0).expect("there is room");
    fill(&mut pager, frame, 1);
    let kept = pager.ptr(frame);
    pager.reserve(200).expect("there is room");
    let before = pager.space().extents();
    pager.begin_savepoint();
    for i in 0..40 {
        pager.pass_on();
        let frame = pager.birth(Kind::BlobLeaf, 0).expect("there is room");
        fill(&mut pager, frame, i);
        if i % 3 == 0 {
            let ptr = pager.ptr(frame);
            pager.bury(ptr);
        }
    }
    let frame = pager.fetch(kept).expect("readable");
    pager.own(frame).expect("there is room");
    pager.roll_back();
    assert_eq!(pager.space().extents(), before);
    assert_eq!(byte(&mut pager, kept), 1);
}

#[test]
fn a_page_that_only_the_savepoint_freezes_keeps_its_number_and_gets_its_bytes_back() {
    let mut pager = pager(512, 64);
    let mut ptrs = Vec::new();
    for i in 0..30 {
        let frame = pager.birth(Kind::BlobLeaf, 0).expect("there is room");
        fill(&mut pager, frame, i);
        ptrs.push(pager.ptr(frame));
    }
    for is_kept in [false, true] {
        let before = pager.space().extents();
        pager.begin_savepoint();
        for ptr in &ptrs {
            let frame = pager.fetch(*ptr).expect("readable");
            assert!(!pager.is_private(frame));
            let own = pager.own(frame).expect("there is room");
            fill(&mut pager, own, 100);
            pager.own(own).expect("there is room");
            fill(&mut pager, own, 101);
        }
        let stays = |pager: &mut Pager, ptr: &&PagePtr| byte(pager, **ptr) == 101;
        let in_place = ptrs.iter().filter(|ptr| stays(&mut pager, ptr)).count();
        assert_eq!(in_place, 16, "a quarter of the pool has images");
        if !is_kept {
            // Whatever leaves memory meanwhile, they do not.
            pager.bury(ptrs[0]);
            for _ in 0..500 {
                pager.pass_on();
                let frame = pager.birth(Kind::BlobLeaf, 0).expect("there is room");
                let ptr = pager.ptr(frame);
                pager.bury(ptr);
            }
            assert!(ptrs[..16].iter().all(|ptr| pager.is_cached(*ptr)));
            pager.roll_back();
            assert_eq!(pager.space().extents(), before);
            for (i, ptr) in ptrs.iter().enumerate() {
                assert_eq!(byte(&mut pager, *ptr), i as u8);
            }
        } else {
            pager.bury(ptrs[0]);
            pager.keep_savepoint();
            assert!(!pager.is_cached(ptrs[0]), "what died is gone now");
            assert!(ptrs[1..16].iter().all(|ptr| byte(&mut pager, *ptr) == 101));
        }
    }
    let pin = pager.freeze();
    let frame = pager.fetch(ptrs[1]).expect("readable");
    assert!(!pager.is_private(frame), "an image is no way around a pin");
    pager.begin_savepoint();
    assert_ne!(pager.own(frame).expect("there is room"), frame);
    pager.keep_savepoint();
    pager.release(pin);
}

#[test]
fn a_page_read_off_the_lock_that_died_meanwhile_is_dropped() {
    let mut pager = pager(512, 4);
    let frame = pager.birth(Kind::BlobLeaf, 0).expect("there is room");
    fill(&mut pager, frame, 7);
    let ptr = pager.ptr(frame);
    pager.begin_load(&[ptr]);
    let mut bytes = pager.bytes(frame).to_vec();
    page::seal(&mut bytes);
    pager.bury(ptr);
    let again = pager.birth(Kind::BlobLeaf, 0).expect("there is room");
    let reborn = pager.ptr(again);
    assert_eq!(reborn.page, ptr.page, "the lowest free page is used again");
    pager.end_load(ptr, Some(&bytes)).expect("nothing to do");
    assert_eq!(
        byte(&mut pager, reborn),
        0,
        "the new page, not the old one's bytes"
    );
}

#[test]
fn a_full_disk_is_an_error_before_anything_changes() {
    let file = Arc::new(MemFile::with_capacity(512 * 1024));
    let pool = Arc::new(Pool::new(PoolShape::standard(512)));
    let source = PageSource::new(pool, file, Planted::none());
    let mut pager = Pager::new(source, Space::full(32), Stamp(1), 1 << 20, Planted::none());
    while pager.reserve(8).is_ok() {
        for _ in 0..8 {
            pager.birth(Kind::BlobLeaf, 0).expect("it was reserved");
        }
    }
    assert!(matches!(pager.reserve(8), Err(Error::DiskFull)));
    pager.set_urgent(true);
    assert!(pager.reserve(8).is_ok(), "urgent work has the reserve");
}

#[test]
fn a_file_that_was_made_longer_beforehand_is_not_made_longer_by_a_birth() {
    let mut pager = pager(512, 64);
    while pager.growth_ahead().is_none() {
        pager.birth(Kind::Leaf, 0).expect("there is room");
    }
    let growth = pager.growth_ahead().expect("few pages are free");
    let pages = pager.space().pages();
    assert_eq!(growth.from_bytes, pages * 512);
    pager.grown(&growth);
    assert_eq!(
        pager.space().pages(),
        pages,
        "the checkpoint of another thread has cut it off again"
    );
    pager
        .source()
        .file()
        .allocate(growth.from_bytes, growth.more_bytes)
        .expect("there is room");
    pager.grown(&growth);
    assert_eq!(
        pager.space().pages(),
        pages + growth.more_bytes / 512,
        "the new pages are free"
    );
    assert_eq!(pager.growth_ahead(), None, "and are enough");
    let grown = pager.space().pages();
    pager.grown(&growth);
    assert_eq!(pager.space().pages(), grown, "once");
}
