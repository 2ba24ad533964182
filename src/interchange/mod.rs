//! Formats that other programs write and read: RDB files, DUMP payloads and append-only files.
//!
//! [`rdb`] knows bytes and plain values and not one word of trees; [`export`] and [`import`] carry keys between the two.

pub mod aof;
pub mod crc64;
pub mod export;
pub mod import;
pub mod load;
pub mod rdb;
