//! How much text is read.

/// The longest file in bytes: what BuildKit's transport carries in one message.
pub const MAX_FILE: usize = 16 << 20;

/// The longest line in bytes, its line end not counted: BuildKit's, which is the default of Go's `bufio.Scanner`. Joined
/// lines may be longer.
pub const MAX_LINE: usize = (64 << 10) - 1;

/// How many bytes the values of variables may add to one word or heredoc.
pub const MAX_EXPANSION: usize = 16 << 20;

/// How deep substitutions may be nested, `${a:-${b:-…}}`.
pub const MAX_NESTING: usize = 64;
