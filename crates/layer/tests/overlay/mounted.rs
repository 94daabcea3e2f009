//! Overlay mounts that are attached nowhere, and go with their descriptor; and what is seen in them.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rootfs::{FileKind, Root, TreePath};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use shipsmith_layer::overlay::{Diff, Marks, Owners, Owning, Scheme, Times, Unpacked, unpack_lower, write_changes};
use shipsmith_layer::{Entry, EntryKind, Error, SourceTree, TarSource, Tree, index_layer};
use tempfile::TempDir;

/// Every way in which trees are kept.
pub(crate) const SCHEMES: [Scheme; 3] = [
    Scheme { marks: Marks::Trusted, owning: Owning::Real },
    Scheme { marks: Marks::User, owning: Owning::Real },
    Scheme { marks: Marks::User, owning: Owning::Aside },
];

const AGAIN: &str = "SHIPSMITH_TEST_IN_NAMESPACE";

/// Whether this process may mount; if not, the test is run again in a user namespace, or passed over where there are none.
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
pub(crate) fn may_mount(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let exe = std::env::current_exe().expect("this program");
    let mut again = Command::new("unshare");
    let status =
        again.args(["--user", "--map-root-user", "--mount"]).arg(exe).args(["--exact", test]).env(AGAIN, "1").status();
    match status {
        Ok(status) => assert!(status.success(), "in a user namespace"),
        Err(error) => eprintln!("skipped: cannot run unshare: {error}"),
    }
    false
}

/// The schemes that can be tried here.
pub(crate) fn schemes() -> &'static [Scheme] {
    if std::env::var_os(AGAIN).is_some() { &SCHEMES[2..] } else { &SCHEMES }
}

/// Layers unpacked over each other, with room for an upper directory.
pub(crate) struct Stack {
    pub(crate) dir: TempDir,
    pub(crate) scheme: Scheme,
    pub(crate) lowers: Vec<Root>,
    pub(crate) tree: Tree,
}

impl Stack {
    pub(crate) fn new(scheme: Scheme) -> Stack {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["empty", "empty too"] {
            fs::create_dir(dir.path().join(name)).expect("made");
        }
        Stack { dir, scheme, lowers: Vec::new(), tree: Tree::new() }
    }

    /// Unpacks one more layer, if both the tree and the disk take it.
    pub(crate) fn push(&mut self, tar: Vec<u8>) -> Result<Unpacked, Error> {
        let index = index_layer(&tar[..], None)?.index;
        let root = self.make(&format!("lower{}", self.lowers.len()));
        let unpacked = unpack_lower(&tar[..], &root, self.scheme, Some(&self.lowers));
        let tar: Arc<dyn TarSource> = Arc::new(tar);
        match (self.tree.with_layer(&index, Some(tar)), unpacked) {
            (Ok(tree), Ok(unpacked)) => {
                self.tree = tree;
                self.lowers.push(root);
                Ok(unpacked)
            }
            (Err(error), Err(_)) => {
                fs::remove_dir_all(root.path()).expect("removed");
                Err(error)
            }
            (Ok(_), Err(error)) => panic!("only the disk refused it: {error}"),
            (Err(error), Ok(_)) => panic!("only the tree refused it: {error}"),
        }
    }

    pub(crate) fn make(&self, name: &str) -> Root {
        let path = self.dir.path().join(name);
        fs::create_dir(&path).expect("made");
        Root::open(&path).expect("opened")
    }

    /// The layers under a new upper directory of this name.
    pub(crate) fn mount(&self, upper: &str) -> Mounted {
        let upper = self.make(upper);
        let work = self.dir.path().join("work");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir(&work).expect("made");
        Mounted::new(self, &[], Some((upper.path(), &work)))
    }

    /// The layers and some more above them, read-only.
    pub(crate) fn view(&self, above: &[&Root]) -> Mounted {
        Mounted::new(self, above, None)
    }

    /// The layer of an upper directory that is not mounted any more.
    pub(crate) fn changes(&self, upper: &str, times: Times, owners: &Owners) -> Vec<u8> {
        let root = Root::open(self.dir.path().join(upper)).expect("opened");
        let diff = Diff { root: &root, lowers: &self.lowers, scheme: self.scheme, times, owners };
        write_changes(&diff, Vec::new()).expect("written")
    }
}

/// A mount that nobody else sees.
pub(crate) struct Mounted {
    fd: OwnedFd,
    scheme: Scheme,
}

impl Mounted {
    fn new(stack: &Stack, above: &[&Root], upper: Option<(&Path, &Path)>) -> Mounted {
        let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).expect("an overlay");
        let set = |key: &str, value: &Path| {
            let value = CString::new(value.as_os_str().as_encoded_bytes()).expect("no NUL");
            rustix::mount::fsconfig_set_string(&context, key, &*value).expect(key);
        };
        for lower in above.iter().rev().copied().chain(stack.lowers.iter().rev()) {
            set("lowerdir+", lower.path());
        }
        // A mount without an upper directory wants two lower ones.
        set("lowerdir+", &stack.dir.path().join("empty"));
        if stack.lowers.is_empty() && above.is_empty() && upper.is_none() {
            set("lowerdir+", &stack.dir.path().join("empty too"));
        }
        if let Some((upper, work)) = upper {
            set("upperdir", upper);
            set("workdir", work);
        }
        for (option, value) in [("index", "off"), ("redirect_dir", "nofollow"), ("metacopy", "off")] {
            set(option, Path::new(value));
        }
        if stack.scheme.marks == Marks::User {
            rustix::mount::fsconfig_set_flag(&context, "userxattr").expect("set");
        }
        rustix::mount::fsconfig_create(&context).expect("created");
        let fd = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty());
        Mounted { fd: fd.expect("mounted"), scheme: stack.scheme }
    }

    /// A way into it for the standard library.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.fd.as_raw_fd()))
    }

    pub(crate) fn seen(&self) -> Seen {
        seen_on_disk(&Root::open(self.path()).expect("opened"), self.scheme)
    }
}

/// One file, as somebody who looks at it sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) entry: Entry,
    pub(crate) content: Vec<u8>,
    /// The first name of the same file.
    pub(crate) first: TreePath,
}

pub(crate) type Seen = BTreeMap<TreePath, File>;

fn visible(name: &[u8]) -> bool {
    name == b"security.capability" || (name.starts_with(b"user.") && !name.starts_with(b"user.shipsmith."))
}

/// Everything but the root, sockets, and names that are only marks.
pub(crate) fn seen_on_disk(root: &Root, scheme: Scheme) -> Seen {
    let (mut seen, mut first) = (Seen::new(), BTreeMap::new());
    let mut pending = vec![TreePath::root()];
    let mut all = Vec::new();
    while let Some(dir) = pending.pop() {
        for (name, found) in root.read_dir(&dir).expect("read") {
            let path = dir.join(&name).expect("a path");
            if found.kind == FileKind::Directory {
                pending.push(path.clone());
            }
            all.push((path, found));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    for (path, found) in all {
        let mut content = Vec::new();
        let kind = match found.kind {
            FileKind::File => {
                root.open_file(&path).expect("opened").read_to_end(&mut content).expect("read");
                EntryKind::File { size: found.size }
            }
            FileKind::Directory => EntryKind::Directory,
            FileKind::Symlink => EntryKind::Symlink { target: root.read_link(&path).expect("a link") },
            FileKind::CharDevice { major, minor } => EntryKind::CharDevice { major, minor },
            FileKind::BlockDevice { major, minor } => EntryKind::BlockDevice { major, minor },
            FileKind::Fifo => EntryKind::Fifo,
            FileKind::Socket => continue,
        };
        let mut xattrs = match found.kind {
            FileKind::File | FileKind::Directory => root.xattrs(&path).expect("read"),
            _ => BTreeMap::new(),
        };
        let (mut uid, mut gid) = (found.uid, found.gid);
        if scheme.owning == Owning::Aside {
            let text = xattrs.get(shipsmith_layer::overlay::OWNER_XATTR).cloned().unwrap_or_else(|| b"0:0".to_vec());
            let text = String::from_utf8(text).expect("text");
            let (user, group) = text.split_once(':').expect("two numbers");
            (uid, gid) = (user.parse().expect("a number"), group.parse().expect("a number"));
        }
        xattrs.retain(|name, _| visible(name));
        let first = match found.kind {
            FileKind::File => first.entry(found.inode).or_insert_with(|| path.clone()).clone(),
            _ => path.clone(),
        };
        let entry = Entry { path: path.clone(), kind, mode: found.mode, uid, gid, mtime: found.mtime.into(), xattrs };
        seen.insert(path, File { entry, content, first });
    }
    seen
}

pub(crate) fn seen_in_tree(tree: &Tree) -> Seen {
    let (mut seen, mut first) = (Seen::new(), BTreeMap::new());
    let mut pending = vec![TreePath::root()];
    let mut all = Vec::new();
    while let Some(dir) = pending.pop() {
        for entry in tree.children(&dir).expect("a directory") {
            if entry.is_dir() {
                pending.push(entry.path.clone());
            }
            all.push(entry);
        }
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    for mut entry in all {
        let mut content = Vec::new();
        if let EntryKind::File { .. } = entry.kind {
            tree.content(&entry.path).expect("a file").open().expect("opened").read_to_end(&mut content).expect("read");
        }
        let identity = tree.identity(&entry.path).expect("told");
        let own = entry.path.clone();
        let name = identity.map(|identity| first.entry(identity).or_insert_with(|| own.clone()).clone());
        if !matches!(entry.kind, EntryKind::File { .. } | EntryKind::Directory) {
            entry.xattrs.clear();
        }
        entry.xattrs.retain(|name, _| visible(name));
        seen.insert(own.clone(), File { entry, content, first: name.unwrap_or(own) });
    }
    seen
}

/// Says which files differ, rather than showing everything.
pub(crate) fn assert_same(what: &str, left: &Seen, right: &Seen) {
    for path in left.keys().chain(right.keys()) {
        assert_eq!(left.get(path), right.get(path), "{what}: {path}");
    }
}
