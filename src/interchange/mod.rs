//! Formats that other programs write and read: RDB files, DUMP payloads, append-only files, lines of JSON.
//!
//! [`rdb`] knows bytes and plain values and not one word of trees; [`export`] and [`import`] carry keys between the two.

pub mod aof;
pub mod base64;
pub mod crc64;
pub mod export;
pub mod import;
pub mod jsonl;
pub mod load;
pub mod rdb;
pub mod remains;
