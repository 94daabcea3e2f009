//! Bake and compose files, built, pushed and looked at.

mod asked;
mod bad_input;
mod building;
mod sharing;
/// What the end-to-end tests have for looking into registries; not all of it is needed here.
#[allow(dead_code)]
#[path = "../e2e/support/mod.rs"]
mod support;

use support::environment;
use testkit::environment::Environment;

/// A working directory with a context `app` and this `docker-bake.hcl`.
fn project(bake: &str) -> Environment {
    let environment = environment();
    environment.write("docker-bake.hcl", bake);
    environment.write("app/Dockerfile", "FROM scratch AS first\nARG NAME=none\nLABEL name=$NAME\nCOPY a /a\n");
    environment.write("app/a", "content of a\n");
    environment
}
