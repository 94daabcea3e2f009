//! How much text is read.

/// The longest file in bytes: what BuildKit's transport carries in one message.
pub const MAX_FILE: usize = 16 << 20;

/// The longest line in bytes, its line end not counted: BuildKit's, which is the default of Go's `bufio.Scanner`. Joined
/// lines may be longer.
pub const MAX_LINE: usize = (64 << 10) - 1;
