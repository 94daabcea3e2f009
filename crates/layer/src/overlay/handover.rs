//! A tar whose entries one thread finds and another writes: with many small files, each has about half of the work.

use std::io::{Read, Write};
use std::mem;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use rootfs::SparseFile;

use crate::pipeline::gone;
use crate::tar::Writer;
use crate::{Entry, Error};

/// As many entries go over at once: to wake a thread costs as much as to read a small file.
const BATCH: usize = 64;
/// As many batches may wait. The files of each are open.
const WAITING: usize = 2;

type Item = (Entry, Option<SparseFile>);

/// Takes entries for the tar, in its order.
pub(super) struct Outgoing {
    batch: Vec<Item>,
    to: Sender<Vec<Item>>,
}

impl Outgoing {
    /// Hands an entry over, with its bytes when it is a regular file that may have any.
    pub(super) fn put(&mut self, entry: Entry, content: Option<SparseFile>) -> Result<(), Error> {
        self.batch.push((entry, content));
        if self.batch.len() < BATCH { Ok(()) } else { self.flush() }
    }

    /// An error when nobody takes any more, which says why itself.
    fn flush(&mut self) -> Result<(), Error> {
        self.to.send(mem::take(&mut self.batch)).map_err(|_| gone())
    }
}

/// Writes the entries that `find` puts to `sink`.
///
/// # Errors
/// When they cannot be written, or else what `find` gives.
pub(super) fn write<W: Write + Send>(
    sink: W,
    find: impl FnOnce(&mut Outgoing) -> Result<(), Error>,
) -> Result<W, Error> {
    let (to, from) = bounded(WAITING);
    thread::scope(|scope| {
        let writing = thread::Builder::new().spawn_scoped(scope, || take(from, sink)).map_err(Error::Write)?;
        let mut outgoing = Outgoing { batch: Vec::new(), to };
        let found = find(&mut outgoing).and_then(|()| outgoing.flush());
        drop(outgoing);
        let writer = writing.join().map_err(|_| gone())??;
        found?;
        writer.finish()
    })
}

/// Writes until nobody puts any more.
fn take<W: Write>(from: Receiver<Vec<Item>>, sink: W) -> Result<Writer<W>, Error> {
    let mut writer = Writer::new(sink);
    for (entry, mut content) in from.into_iter().flatten() {
        writer.append_reader(&entry, content.as_mut().map(|content| content as &mut dyn Read))?;
    }
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use std::io;

    use rootfs::TreePath;

    use super::*;
    use crate::EntryKind;

    fn entry(number: usize) -> Entry {
        let path = TreePath::new(format!("d{number}")).expect("a path");
        Entry::new(path, EntryKind::Directory, 0o755)
    }

    fn put(outgoing: &mut Outgoing, entries: usize) -> Result<(), Error> {
        (0..entries).try_for_each(|number| outgoing.put(entry(number), None))
    }

    #[test]
    fn all_entries_come_in_order() {
        for entries in [0, 1, BATCH - 1, BATCH, BATCH * (WAITING + 3) + 1] {
            let mut expected = Writer::new(Vec::new());
            (0..entries).for_each(|number| expected.append(&entry(number), None).expect("written"));
            let tar = write(Vec::new(), |outgoing| put(outgoing, entries)).expect("written");
            assert!(tar == expected.finish().expect("written"), "{entries} entries");
        }
    }

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_failed_first_says_why() {
        let error = write(Full, |outgoing| put(outgoing, 1_000_000)).err().expect("nothing can be written");
        assert!(matches!(&error, Error::Write(source) if source.kind() == io::ErrorKind::StorageFull), "{error}");
        let error = write(Vec::new(), |outgoing| {
            put(outgoing, 1)?;
            Err(Error::Index("found nothing"))
        });
        assert!(matches!(error, Err(Error::Index("found nothing"))));
    }
}
