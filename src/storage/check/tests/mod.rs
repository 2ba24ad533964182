mod damage;
mod healthy;
pub(in crate::storage) mod rig;
mod single_bytes;
