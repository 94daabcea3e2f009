//! Whose files they are, where the file system cannot say so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The owners in a step's parent, for [`crate::Level::SingleId`]: there every file on disk is the user's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owners(
    /// Path from the root without a leading slash (the root itself is empty) to user and group. Files of 0:0 are left out.
    pub BTreeMap<String, (u32, u32)>,
);
