//! What a Dockerfile offers to build (`--call=targets`).

use dockerfile::{Dockerfile, Span};

/// A stage, as somebody who wants to build it sees it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Target {
    /// The name to ask for; stages without one can only be built when they are the last.
    pub name: Option<String>,
    /// The comment above that begins with the name.
    pub description: Option<String>,
    /// Whether it is built when no target is asked for.
    pub default: bool,
    /// What it starts from, as written.
    pub base: String,
    /// `--platform`, as written.
    pub platform: Option<String>,
    /// Its FROM.
    pub span: Span,
}

/// The stages of a file, in order.
pub fn targets(file: &Dockerfile) -> Vec<Target> {
    let last = file.stages.len().checked_sub(1);
    let target = |(number, stage): (usize, &dockerfile::Stage)| Target {
        name: stage.name.as_ref().map(|name| name.value.clone()),
        description: stage.description.clone(),
        default: Some(number) == last,
        base: stage.base.raw.clone(),
        platform: stage.platform.as_ref().map(|word| word.raw.clone()),
        span: stage.from.line,
    };
    file.stages.iter().enumerate().map(target).collect()
}

#[cfg(test)]
mod tests {
    use super::targets;

    #[test]
    fn stages_are_targets() {
        let text = "FROM a\n# test runs the tests\nFROM --platform=$P b AS test\n";
        let file = dockerfile::parse(dockerfile::Source::new("Dockerfile", text)).expect("a Dockerfile");
        let [first, second] = targets(&file).try_into().expect("two targets");
        assert_eq!((first.name, first.default, first.base.as_str()), (None, false, "a"));
        assert_eq!((second.name.as_deref(), second.default), (Some("test"), true));
        assert_eq!(second.description.as_deref(), Some("runs the tests"));
        assert_eq!(second.platform.as_deref(), Some("$P"));
    }
}
