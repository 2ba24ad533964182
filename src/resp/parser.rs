//! Requests: arrays of bulk strings and inline commands.
