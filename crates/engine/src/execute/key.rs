//! By what a step is known among the builds of one run.
//!
//! A graph's own keys say what is done, not to which files: contexts are names there. So a key here also covers what stands
//! behind those names, the base where it is another image of the run, and all that the command line said and that changes
//! the layer.

use graph::{Op, Step, StepId};
use oci::Digest;

use super::{Executor, FindBase, Work};
use crate::copy::Asked;
use crate::framed::Framed;

const FORMAT: &str = "shipsmith step 1";

/// The keys of `steps`, each of which comes after its inputs.
pub(super) fn keys(
    steps: &[Step],
    kept: &dyn Fn(&Step) -> bool,
    work: &Work,
    base: FindBase<'_>,
    asked: &Asked,
) -> Vec<Digest> {
    let mut keys: Vec<Digest> = Vec::with_capacity(steps.len());
    for step in steps {
        let mut key = Framed::new(FORMAT);
        key.put(step.key.0.to_string().as_bytes());
        key.put(format!("{:?} {}", work.setting, step.no_cache).as_bytes());
        key.put(format!("{:?}", kept(step).then_some(work.compression)).as_bytes());
        match &step.op {
            Op::Base(named) => {
                let identity = base(named).map(|beneath| beneath.identity.to_string());
                key.put(identity.unwrap_or_default().as_bytes());
            }
            Op::Run(_) => key.put(work.process.as_bytes()),
            _ => {}
        }
        put_contexts(&mut key, &step.op, work, asked);
        let inputs = step.op.inputs();
        key.list(inputs.iter().map(|StepId(input)| keys[*input].hex().as_bytes()));
        keys.push(key.finish());
    }
    keys
}

fn put_contexts(key: &mut Framed, op: &Op, work: &Work, asked: &Asked) {
    for (name, identity) in work.contexts.identities() {
        let paths = op.context_paths(name);
        if paths.is_empty() {
            continue;
        }
        [name, identity].iter().for_each(|field| key.put(field.as_bytes()));
        // What else the build takes only matters where a path may match nothing.
        if Asked::decides(op, &paths) {
            key.put(format!("{asked:?}").as_bytes());
        }
    }
}

impl Executor<'_> {
    /// By what a step is known among all that are built.
    pub(crate) fn key(&self, id: StepId) -> &Digest {
        &self.keys[id.0]
    }
}
