//! One connection, sans-IO: bytes in, bytes out.
