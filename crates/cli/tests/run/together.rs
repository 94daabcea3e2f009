//! Several steps at once: of one build, and of two.

use std::process::Stdio;

use crate::support::Ground;

/// Ends well only while another step that does the same with the names exchanged is running.
fn meet(mine: &str, theirs: &str) -> String {
    format!(
        "RUN --mount=type=cache,id=meeting,target=/m touch /m/{mine}; i=0; \
         while [ ! -e /m/{theirs} ]; do i=$((i+1)); [ $i -lt 600 ] || exit 9; sleep 0.1; done; touch /{mine}\n"
    )
}

#[test]
fn stages_run_side_by_side() {
    let Some(ground) = Ground::new() else { return };
    let dockerfile = format!(
        "FROM base AS one\n{}FROM base AS two\n{}FROM scratch\nCOPY --from=one /a /\nCOPY --from=two /b /\n",
        meet("a", "b"),
        meet("b", "a")
    );
    ground.builds(&dockerfile, &[]);
    ground.is_clean();
}

#[test]
fn two_builds_run_side_by_side() {
    let Some(ground) = Ground::new() else { return };
    let start = |mine, theirs| {
        let arguments = ground.arguments(&format!("FROM base\n{}", meet(mine, theirs)), &[]);
        ground.environment().command(arguments).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let both = [start("a", "b"), start("b", "a")];
    for build in both {
        let output = build.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    ground.goes_on();
}

/// Both unpack the same layers, run the same step, and keep one result.
#[test]
fn two_equal_builds_at_once_agree() {
    let Some(ground) = Ground::new() else { return };
    let dockerfile = "FROM base\nRUN mkdir /d && touch /d/x\nRUN rm -r /d && mkdir /d\n";
    let builds: Vec<_> = (0..4)
        .map(|_| {
            let mut command = ground.environment().command(ground.arguments(dockerfile, &[]));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
        })
        .collect();
    let mut said = Vec::new();
    for build in builds {
        let output = build.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        said.extend(log.lines().filter(|line| line.starts_with("built ")).map(str::to_owned));
        assert!(!said.is_empty(), "{log}");
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    ground.goes_on();
}

/// Appends to one file, with a gap that another writer would fall into.
#[test]
fn a_locked_cache_has_one_user_at_a_time() {
    let Some(ground) = Ground::new() else { return };
    let step = "RUN --mount=type=cache,id=alone,sharing=locked,target=/m [ ! -e /m/busy ] && touch /m/busy && sleep 0.3 && \
         rm /m/busy && touch /done\n";
    let stages: String = (0..4).map(|n| format!("FROM base AS s{n}\nENV N={n}\n{step}")).collect();
    let copies: String = (0..4).map(|n| format!("COPY --from=s{n} /done /{n}\n")).collect();
    ground.builds(&format!("{stages}FROM scratch\n{copies}"), &[]);
    ground.is_clean();
}
