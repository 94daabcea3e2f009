//! `shipsmith bake`.

mod plan;
mod run;

use crate::args::{BakeArgs, GlobalArgs};
use crate::failure::{Exit, Failure};
use crate::request::plan::Shared;
use crate::request::{Process, display};

/// Builds what a plan file lists.
pub(super) fn run(args: &BakeArgs, global: &GlobalArgs) -> Result<Exit, Failure> {
    let shared = Shared {
        names: args.names.clone(),
        push: args.push,
        no_cache: args.no_cache,
        keep_going: args.keep_going,
        builder: args.builder.clone(),
    };
    let display = display(args.progress, false, &Process)?;
    let [file] = &args.files[..] else {
        return Err(Failure::new(Exit::Usage, "a plan is one file").with_hint(Some("give one -f FILE".into())));
    };
    plan::run(&plan::Plan { file, args: &args.plan, shared, print: args.print, display }, global)
}
