//! Standard output: for results alone.

use std::io::{self, ErrorKind, Write};

use crate::failure::{Exit, Failure};

/// Prints a result. A reader that has seen enough (`| head`) is no failure.
pub(super) fn print(bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Internal, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a result as a line.
pub(super) fn print_line(line: &str) -> Result<(), Failure> {
    print(format!("{line}\n"))
}

/// Prints a document.
pub(super) fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print_line(&format!("{value:#}"))
}

/// Prints rows below their headings, each column as wide as its widest cell.
pub(super) fn print_table(headings: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    print(table(headings, rows))
}

/// Rows below their headings.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&heading).chain(rows).collect();
    let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..headings.len()).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in all {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["longer".into(), "1".into()], vec!["x".into(), "22".into()]];
        assert_eq!(table(&["NAME", "N"], &rows), "NAME     N\nlonger   1\nx        22\n");
    }
}
