//! Subcommands and flags.
