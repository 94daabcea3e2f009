//! What a builder keeps.

use bollard_buildkit_proto::moby::buildkit::v1::{DiskUsageRequest, PruneRequest, UsageRecord};

use crate::{Builder, Error};

/// Something that a builder keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Its id.
    pub id: String,
    /// What it is.
    pub description: String,
    /// Its size in bytes.
    pub size: u64,
    /// Whether a build uses it now, so that it stays.
    pub in_use: bool,
    /// Whether its bytes are those of something else, too.
    pub shared: bool,
}

/// What was removed from a builder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many records.
    pub records: usize,
    /// How many bytes.
    pub bytes: u64,
}

impl Builder {
    /// What it keeps, the largest first.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn usage(&self) -> Result<Vec<Usage>, Error> {
        let answer = self.control().disk_usage(DiskUsageRequest::default()).await;
        let records = answer.map_err(|status| self.failure(&status))?.into_inner().record;
        let mut usage: Vec<Usage> = records.into_iter().map(Usage::from).collect();
        usage.sort_by(|one, other| other.size.cmp(&one.size).then_with(|| one.id.cmp(&other.id)));
        Ok(usage)
    }

    /// Removes what it keeps and no build uses; everything with `all`, else what it can make again by itself.
    ///
    /// # Errors
    /// When it does not answer, or is lost meanwhile.
    pub async fn prune(&self, all: bool) -> Result<Pruned, Error> {
        let request = PruneRequest { all, ..PruneRequest::default() };
        let mut removed = self.control().prune(request).await.map_err(|status| self.failure(&status))?.into_inner();
        let mut pruned = Pruned::default();
        while let Some(record) = removed.message().await.map_err(|status| self.failure(&status))? {
            pruned.records += 1;
            pruned.bytes = pruned.bytes.saturating_add(Usage::from(record).size);
        }
        Ok(pruned)
    }
}

impl From<UsageRecord> for Usage {
    fn from(record: UsageRecord) -> Self {
        Self {
            id: record.id,
            description: record.description,
            size: u64::try_from(record.size).unwrap_or_default(),
            in_use: record.in_use,
            shared: record.shared,
        }
    }
}
