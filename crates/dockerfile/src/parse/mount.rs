//! `--mount` and `--device` of `RUN`.

use std::ops::Range;

use crate::ast::{Device, Mount, MountField, MountKind, ResolvedMount, Sharing, Word};
use crate::error::{MountError, Problem};
use crate::quantity;
use crate::suggest::did_you_mean;

/// Reads a mount's options. Their values may hold variables, so that only the list itself and `from` are checked.
pub(super) fn mount(word: &Word) -> Result<Mount, Problem> {
    let fields: Vec<MountField> = csv(word)?.into_iter().map(|field| mount_field(word, field)).collect();
    let from: Vec<&Word> =
        fields.iter().filter(|field| field.is_from()).filter_map(|field| field.value.as_ref()).collect();
    if let Some(value) = from.iter().find(|value| has_variable(value)) {
        return Err(Problem::new(value.span, MountError::VariableInFrom));
    }
    let from = from.last().map(|value| Word::clone(value)).filter(|value| !value.raw.is_empty());
    Ok(Mount { fields, from, span: word.span })
}

/// Whether the first dollar sign is not the last character.
fn has_variable(value: &Word) -> bool {
    value.raw.find('$').is_some_and(|at| at + 1 != value.raw.len())
}

impl MountField {
    fn is_from(&self) -> bool {
        self.key.eq_ignore_ascii_case("from")
    }
}

/// A field of a list, and which bytes of the list it was taken from.
type Field = (String, Range<usize>);

fn mount_field(word: &Word, (text, range): Field) -> MountField {
    let span = word.locate(range.start, range.end);
    let Some((key, value)) = text.split_once('=') else { return MountField { key: text, value: None, span } };
    let exact = text.len() == range.len();
    let start = if exact { range.start + key.len() + 1 } else { range.start };
    let value = Word::new(value, word.locate(start, range.end));
    MountField { key: key.to_owned(), value: Some(value), span }
}

/// Splits a line of comma-separated values, in which a field may be quoted and a quote in it doubled.
fn csv(word: &Word) -> Result<Vec<Field>, Problem> {
    let refuse = || Problem::new(word.span, MountError::Csv);
    let mut fields = Vec::new();
    let mut at = 0;
    if word.raw.is_empty() {
        return Err(refuse());
    }
    loop {
        let rest = word.raw.get(at..).unwrap_or("");
        let (field, length) = csv_field(rest).ok_or_else(refuse)?;
        fields.push((field, at..at + length));
        at += length;
        match word.raw.get(at..).and_then(|rest| rest.strip_prefix(',')) {
            Some(_) => at += 1,
            None => return Ok(fields),
        }
    }
}

/// The field at the start of a line and its length, or nothing if its quotes are wrong.
fn csv_field(line: &str) -> Option<(String, usize)> {
    let Some(quoted) = line.strip_prefix('"') else {
        let field = line.split(',').next().unwrap_or("");
        return (!field.contains('"')).then(|| (field.to_owned(), field.len()));
    };
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        rest = match after.strip_prefix('"') {
            Some(after) => after,
            None if after.is_empty() || after.starts_with(',') => return Some((field, line.len() - after.len())),
            None => return None,
        };
        field.push('"');
    }
}

impl Mount {
    /// The mount with its values expanded by `expand` and checked.
    ///
    /// # Errors
    /// What `expand` refuses; an unknown option, one that the type does not have, or a value it does not take.
    pub fn resolve(&self, mut expand: impl FnMut(&Word) -> Result<String, Problem>) -> Result<ResolvedMount, Problem> {
        let mut draft = Draft::default();
        for field in &self.fields {
            let value = field.value.as_ref().map(&mut expand).transpose()?;
            let set = match value {
                Some(value) => draft.set(&field.key.to_lowercase(), &value),
                None => draft.switch(&field.key.to_lowercase(), &field.key),
            };
            set.map_err(|error| Problem::new(field.span, error))?;
        }
        draft.finish().map_err(|error| Problem::new(self.span, error))
    }
}

/// A mount while its options are gathered, in their order: some depend on a `type` given before them.
#[derive(Default)]
struct Draft {
    mount: ResolvedMount,
    read_only: Option<bool>,
}

impl Draft {
    /// An option without a value.
    fn switch(&mut self, key: &str, written: &str) -> Result<(), MountError> {
        match key {
            "readonly" | "ro" => self.read_only = Some(true),
            "readwrite" | "rw" => self.read_only = Some(false),
            "required" => return self.require(true),
            _ => return Err(MountError::MissingValue(written.to_owned())),
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), MountError> {
        let invalid = || MountError::InvalidValue { key: key.to_owned(), value: value.to_owned() };
        let mount = &mut self.mount;
        match key {
            "type" => mount.kind = kind(value)?,
            "from" => mount.from = value.to_owned(),
            "source" | "src" => mount.source = value.to_owned(),
            "target" | "dst" | "destination" => mount.target = value.to_owned(),
            "readonly" | "ro" => self.read_only = Some(quantity::boolean(value).ok_or_else(invalid)?),
            "readwrite" | "rw" => self.read_only = Some(!quantity::boolean(value).ok_or_else(invalid)?),
            "required" => return self.require_value(value),
            "size" if mount.kind != MountKind::Tmpfs => return Err(self.not_allowed(key)),
            "size" => mount.size = quantity::bytes(value).ok_or_else(invalid)?,
            "id" => mount.id = value.to_owned(),
            "sharing" => mount.sharing = Some(sharing(value)?),
            "mode" => mount.mode = Some(quantity::number(value, 8).ok_or_else(invalid)?),
            "uid" => mount.uid = Some(quantity::number(value, 10).ok_or_else(invalid)?),
            "gid" => mount.gid = Some(quantity::number(value, 10).ok_or_else(invalid)?),
            "env" => mount.env = Some(value.to_owned()),
            _ => return Err(unknown_key(key, &MOUNT_KEYS)),
        }
        Ok(())
    }

    fn require_value(&mut self, value: &str) -> Result<(), MountError> {
        self.require(false)?;
        let invalid = || MountError::InvalidValue { key: "required".to_owned(), value: value.to_owned() };
        self.require(quantity::boolean(value).ok_or_else(invalid)?)
    }

    fn require(&mut self, required: bool) -> Result<(), MountError> {
        if !matches!(self.mount.kind, MountKind::Secret | MountKind::Ssh) {
            return Err(self.not_allowed("required"));
        }
        self.mount.required = required;
        Ok(())
    }

    fn not_allowed(&self, key: &str) -> MountError {
        MountError::KeyNotAllowed { kind: self.mount.kind.as_str(), key: key.to_owned() }
    }

    /// What can only be checked once all options are known.
    fn finish(mut self) -> Result<ResolvedMount, MountError> {
        let kind = self.mount.kind;
        if matches!(kind, MountKind::Bind | MountKind::Tmpfs) {
            let owned = [("mode", self.mount.mode), ("uid", self.mount.uid), ("gid", self.mount.gid)];
            if let Some((key, _)) = owned.into_iter().find(|(_, value)| value.is_some()) {
                return Err(self.not_allowed(key));
            }
        }
        if kind == MountKind::Secret {
            self.check_secret()?;
        }
        if self.mount.sharing.is_some() && kind != MountKind::Cache {
            return Err(self.not_allowed("sharing"));
        }
        let writable = matches!(kind, MountKind::Cache | MountKind::Tmpfs);
        self.mount.read_only = self.read_only.unwrap_or(!writable);
        Ok(self.mount)
    }

    fn check_secret(&self) -> Result<(), MountError> {
        let ResolvedMount { from, source, target, id, .. } = &self.mount;
        if !from.is_empty() {
            return Err(self.not_allowed("from"));
        }
        if source.is_empty() && target.is_empty() && id.is_empty() {
            return Err(MountError::SecretWithoutName);
        }
        if !source.is_empty() && !id.is_empty() {
            return Err(MountError::SecretNamedTwice);
        }
        Ok(())
    }
}

/// The options of a mount, as they are suggested.
const MOUNT_KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];

fn unknown_key(key: &str, known: &[&'static str]) -> MountError {
    let suggestion = did_you_mean(key, known.iter().copied()).map(str::to_owned);
    MountError::UnknownKey { key: key.to_owned(), suggestion }
}

fn kind(value: &str) -> Result<MountKind, MountError> {
    let lower = value.to_lowercase();
    MountKind::ALL.into_iter().find(|kind| kind.as_str() == lower).ok_or_else(|| {
        let suggestion = did_you_mean(value, MountKind::ALL.map(MountKind::as_str)).map(str::to_owned);
        MountError::UnknownType { value: value.to_owned(), suggestion }
    })
}

fn sharing(value: &str) -> Result<Sharing, MountError> {
    match value.to_lowercase().as_str() {
        "shared" => Ok(Sharing::Shared),
        "private" => Ok(Sharing::Private),
        "locked" => Ok(Sharing::Locked),
        _ => {
            let suggestion = did_you_mean(value, ["shared", "private", "locked"]).map(str::to_owned);
            Err(MountError::UnknownSharing { value: value.to_owned(), suggestion })
        }
    }
}

/// Reads a device: a name, and whether it is required. There are no variables in it.
pub(super) fn device(word: &Word) -> Result<Device, Problem> {
    let mut device = Device::default();
    for (field, range) in csv(word)? {
        let refuse = |error| Problem::new(word.locate(range.start, range.end), error);
        device_field(&mut device, field).map_err(refuse)?;
    }
    Ok(device)
}

fn device_field(device: &mut Device, field: String) -> Result<(), MountError> {
    let (key, value) = field.split_once('=').map_or((field.as_str(), None), |(key, value)| (key, Some(value)));
    match (key.to_lowercase().as_str(), value) {
        ("required", None) => device.required = true,
        ("required", Some(value)) => {
            let invalid = || MountError::InvalidValue { key: "required".into(), value: value.to_owned() };
            device.required = quantity::boolean(value).ok_or_else(invalid)?;
        }
        ("name", Some(_)) if !device.name.is_empty() => return Err(MountError::DeviceNamedTwice),
        ("name", Some(value)) => device.name = value.to_owned(),
        _ if device.name.is_empty() => device.name = field,
        (_, None) => return Err(MountError::MissingValue(field)),
        (key, Some(_)) => return Err(unknown_key(key, &["name", "required"])),
    }
    Ok(())
}
