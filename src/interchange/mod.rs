//! Formats that other programs write and read: RDB files and DUMP payloads.
//!
//! This layer knows bytes and plain values ([`rdb::Value`]), and not one word of trees or commands.

pub mod crc64;
pub mod rdb;
