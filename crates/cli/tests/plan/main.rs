//! Plans of many images, built, pushed and looked at.

mod as_bake;
mod bad_input;
mod building;
mod ground;
/// What the end-to-end tests have for looking into registries; not all of it is needed here.
#[allow(dead_code)]
#[path = "../e2e/support/mod.rs"]
mod support;
