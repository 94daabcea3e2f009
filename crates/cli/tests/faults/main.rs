//! What goes wrong, through the whole program: every message as a user reads it, every fault of a network, every
//! interruption; and that none of them leaves anything half done behind.

mod disk;
mod dockerfile;
mod flags;
mod images;
mod interrupts;
mod network;
mod places;
mod registry;
mod sent_while_made;
mod support;
mod usage;
