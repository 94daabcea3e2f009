//! Running the process of a step.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::sandbox::Job;
use crate::task::{Difference, diff};
use crate::wire::{Answer, Channel};
use crate::worker::Descriptors;
use crate::{Error, Exit};

pub(crate) fn run(job: &Job, mut fds: Descriptors, channel: &Channel) -> Result<(), Error> {
    let (output, error, archive) = (fds.next()?, fds.next()?, fds.next()?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    drop((output, error));
    channel.send(&Answer::Ended(Exit::Code(0)))?;
    let difference = Difference {
        upper: job.spec.stack.scratch.join("upper"),
        lower: &job.spec.stack.lower,
        started: rootfs::Time { seconds: now.as_secs().cast_signed(), nanos: now.subsec_nanos() },
        times: job.spec.times,
        form: job.form(),
        owners: job.spec.owners.as_ref(),
        changed: Default::default(),
        before: None,
    };
    diff::write(&difference, archive.into())
}
