//! Whether cores are left for threads.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

static CORES: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, usize::from));

/// How many layers this process is making.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// How many cores this process may use.
pub(crate) fn cores() -> usize {
    *CORES
}

/// The core that a layer's maker keeps busy.
pub(crate) struct Place(());

impl Place {
    pub(crate) fn take() -> Place {
        TAKEN.fetch_add(1, Ordering::Relaxed);
        Place(())
    }

    /// Whether there is a layer for every core. It changes the speed, never the bytes.
    pub(crate) fn is_crowded(&self) -> bool {
        TAKEN.load(Ordering::Relaxed) >= cores()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Ordering::Relaxed);
    }
}
