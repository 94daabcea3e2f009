//! Unpacked layers and upper directories, held to what the kernel makes of them.

#[path = "../common/mod.rs"]
mod common;

mod changing;
mod mounted;
mod random;
mod unpacking;
