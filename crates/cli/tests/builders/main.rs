//! Builds on BuildKit builders: the one inside a Docker engine, as Debian has it, current ones where they are installed, and
//! ones that are not there or go away.

mod addresses;
mod daemon;
mod docker;
mod failures;
mod mixed;
mod packages;
mod support;
