//! Packages into a container engine, which knows no indexes: an image for each platform.

use oci::{Platform, Reference};

use crate::package::with_arch;
use crate::sink::load::load_stored;
use crate::{Engine, Error};

impl Engine {
    /// Loads the images of `local` for each platform, under each of `names` with the architecture behind it; this machine's
    /// own also without. Says under which names each went.
    ///
    /// # Errors
    /// When the store lacks one, or there is no engine.
    pub async fn load_package(
        &self,
        local: &Reference,
        platforms: &[Platform],
        names: &[Reference],
    ) -> Result<Vec<Reference>, Error> {
        let mut loaded = Vec::new();
        for platform in platforms {
            let missing = || Error::NoPlatform {
                name: local.familiar(),
                wanted: Box::new(platform.clone()),
                offered: Vec::new(),
            };
            let entry = self.whole(local, platform)?.ok_or_else(missing)?;
            self.complete(&entry.digest).await?;
            let mut given = names.iter().map(|name| with_arch(name, platform)).collect::<Result<Vec<_>, _>>()?;
            if platform.serves(&Platform::host()) {
                given.extend(names.iter().cloned());
            }
            load_stored(&self.store, &entry, &given).await?;
            loaded.extend(given);
        }
        Ok(loaded)
    }
}
