mod damage;
mod healthy;
mod rig;
mod single_bytes;
