//! The names of the instructions.

use std::fmt;

use serde::Serialize;

/// An instruction's name. Written in any case, shown in upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Keyword {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
}

impl Keyword {
    /// Every keyword, by name.
    pub const ALL: [Keyword; 18] = [
        Keyword::Add,
        Keyword::Arg,
        Keyword::Cmd,
        Keyword::Copy,
        Keyword::Entrypoint,
        Keyword::Env,
        Keyword::Expose,
        Keyword::From,
        Keyword::Healthcheck,
        Keyword::Label,
        Keyword::Maintainer,
        Keyword::Onbuild,
        Keyword::Run,
        Keyword::Shell,
        Keyword::StopSignal,
        Keyword::User,
        Keyword::Volume,
        Keyword::Workdir,
    ];

    /// The keyword spelt by `text` in any case.
    pub fn parse(text: &str) -> Option<Keyword> {
        Keyword::ALL.into_iter().find(|keyword| keyword.as_str().eq_ignore_ascii_case(text))
    }

    /// Its name in upper case.
    pub fn as_str(self) -> &'static str {
        match self {
            Keyword::Add => "ADD",
            Keyword::Arg => "ARG",
            Keyword::Cmd => "CMD",
            Keyword::Copy => "COPY",
            Keyword::Entrypoint => "ENTRYPOINT",
            Keyword::Env => "ENV",
            Keyword::Expose => "EXPOSE",
            Keyword::From => "FROM",
            Keyword::Healthcheck => "HEALTHCHECK",
            Keyword::Label => "LABEL",
            Keyword::Maintainer => "MAINTAINER",
            Keyword::Onbuild => "ONBUILD",
            Keyword::Run => "RUN",
            Keyword::Shell => "SHELL",
            Keyword::StopSignal => "STOPSIGNAL",
            Keyword::User => "USER",
            Keyword::Volume => "VOLUME",
            Keyword::Workdir => "WORKDIR",
        }
    }

    /// How it is written, for hints.
    pub fn usage(self) -> &'static str {
        match self {
            Keyword::Add => "ADD [--flag=value ...] source ... destination",
            Keyword::Arg => "ARG name[=default] ...",
            Keyword::Cmd => r#"CMD ["executable", "parameter", ...] or CMD command"#,
            Keyword::Copy => "COPY [--flag=value ...] source ... destination",
            Keyword::Entrypoint => r#"ENTRYPOINT ["executable", "parameter", ...] or ENTRYPOINT command"#,
            Keyword::Env => "ENV name=value ...",
            Keyword::Expose => "EXPOSE port[/protocol] ...",
            Keyword::From => "FROM [--platform=os/architecture] image [AS name]",
            Keyword::Healthcheck => "HEALTHCHECK [--flag=value ...] CMD command, or HEALTHCHECK NONE",
            Keyword::Label => "LABEL name=value ...",
            Keyword::Maintainer => "MAINTAINER name",
            Keyword::Onbuild => "ONBUILD INSTRUCTION arguments",
            Keyword::Run => r#"RUN command or RUN ["executable", "parameter", ...]"#,
            Keyword::Shell => r#"SHELL ["executable", "parameter", ...]"#,
            Keyword::StopSignal => "STOPSIGNAL signal",
            Keyword::User => "USER user[:group]",
            Keyword::Volume => "VOLUME path ...",
            Keyword::Workdir => "WORKDIR path",
        }
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
