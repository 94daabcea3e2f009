//! Whether a 64-bit ELF file asks for a dynamic loader (System V ABI, chapter 5).

const PT_INTERP: u32 = 3;

/// Whether `file` has an INTERP program header. A static program has none.
pub(crate) fn interpreter(file: &[u8]) -> Result<bool, String> {
    if file.get(..5) != Some(b"\x7fELF\x02") {
        return Err("not a 64-bit ELF file".to_owned());
    }
    let table = usize::try_from(u64::from_le_bytes(bytes(file, 32)?)).map_err(|error| error.to_string())?;
    let size = usize::from(u16::from_le_bytes(bytes(file, 54)?));
    let count = usize::from(u16::from_le_bytes(bytes(file, 56)?));
    for number in 0..count {
        if u32::from_le_bytes(bytes(file, table + number * size)?) == PT_INTERP {
            return Ok(true);
        }
    }
    Ok(false)
}

fn bytes<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N], String> {
    let found = file.get(at..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().ok_or_else(|| "truncated ELF file".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_program_is_dynamic() {
        let own = std::fs::read("/proc/self/exe").expect("own program");
        assert_eq!(interpreter(&own), Ok(true));
    }

    #[test]
    fn other_files_are_refused() {
        assert!(interpreter(b"#!/bin/sh\n").is_err());
        assert!(interpreter(b"\x7fELF\x02").is_err());
    }
}
