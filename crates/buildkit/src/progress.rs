//! A builder's progress in neutral words.

use std::collections::BTreeMap;

use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;

/// Something that happened on the builder; vertices go by their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Progress {
    /// A vertex began.
    Started { vertex: String, name: String },
    /// Part of it went on, in bytes.
    Moved { vertex: String, what: String, done: u64, total: Option<u64> },
    /// It printed a line.
    Line { vertex: String, line: String },
    /// It ended.
    Finished { vertex: String, cached: bool, error: Option<String> },
    /// The builder warns of something; the line of the Dockerfile counts from 1.
    Warning { message: String, line: Option<u32> },
}

/// Lines longer than this are broken, and builds of more vertices are not shown further: what a builder says is bounded.
const MAX_LINE: usize = 64 << 10;
const MAX_VERTICES: usize = 100_000;

/// Turns what a builder says again and again into events that each come once, and what it prints into lines.
#[derive(Default)]
pub(crate) struct Reader {
    vertices: BTreeMap<String, Phase>,
    open_lines: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Started,
    Finished,
}

impl Reader {
    pub(crate) fn read(&mut self, status: StatusResponse) -> Vec<Progress> {
        let mut said = Vec::new();
        let ended: Vec<_> = status.vertexes.iter().filter(|vertex| vertex.completed.is_some()).cloned().collect();
        for vertex in status.vertexes.into_iter().filter(|vertex| vertex.started.is_some() || vertex.cached) {
            if !self.vertices.contains_key(&vertex.digest) && self.vertices.len() < MAX_VERTICES {
                self.vertices.insert(vertex.digest.clone(), Phase::Started);
                said.push(Progress::Started { vertex: vertex.digest, name: vertex.name });
            }
        }
        said.extend(status.statuses.into_iter().filter(|part| part.total > 0 || part.current > 0).map(|part| {
            let positive = |number: i64| u64::try_from(number).unwrap_or_default();
            let total = Some(positive(part.total)).filter(|total| *total > 0);
            Progress::Moved { vertex: part.vertex, what: part.id, done: positive(part.current), total }
        }));
        status.logs.into_iter().for_each(|log| self.lines(log.vertex, &log.msg, &mut said));
        said.extend(status.warnings.into_iter().map(|warning| Progress::Warning {
            message: String::from_utf8_lossy(&warning.short).into_owned(),
            line: warning.ranges.first().and_then(|range| u32::try_from(range.start.as_ref()?.line).ok()),
        }));
        for vertex in ended {
            if self.vertices.get(&vertex.digest) == Some(&Phase::Started) {
                self.vertices.insert(vertex.digest.clone(), Phase::Finished);
                self.rest(&vertex.digest, &mut said);
                let error = Some(vertex.error).filter(|error| !error.is_empty());
                said.push(Progress::Finished { vertex: vertex.digest, cached: vertex.cached, error });
            }
        }
        said
    }

    fn lines(&mut self, vertex: String, bytes: &[u8], said: &mut Vec<Progress>) {
        if !self.vertices.contains_key(&vertex) {
            return;
        }
        let open = self.open_lines.entry(vertex.clone()).or_default();
        open.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(length) = line_length(&open[start..]) {
            said.push(Progress::Line { vertex: vertex.clone(), line: text(&open[start..start + length]) });
            start += length;
        }
        open.drain(..start);
    }

    /// The last line, which need not end.
    fn rest(&mut self, vertex: &str, said: &mut Vec<Progress>) {
        let rest = self.open_lines.remove(vertex).filter(|rest| !rest.is_empty());
        said.extend(rest.map(|rest| Progress::Line { vertex: vertex.to_owned(), line: text(&rest) }));
    }
}

/// The length of the first line with its end, or of a part of one that is too long.
fn line_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().take(MAX_LINE).position(|byte| *byte == b'\n').map(|end| end + 1);
    end.or((bytes.len() >= MAX_LINE).then_some(MAX_LINE))
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).to_owned()
}

#[cfg(test)]
mod tests {
    use bollard_buildkit_proto::google::protobuf::Timestamp;
    use bollard_buildkit_proto::moby::buildkit::v1::{Vertex, VertexLog};

    use super::*;

    fn vertex(started: bool, completed: bool) -> Vertex {
        let time = |there: bool| there.then(Timestamp::default);
        let (started, completed) = (time(started), time(completed));
        Vertex { digest: "d".into(), name: "RUN x".into(), started, completed, ..Vertex::default() }
    }

    fn log(text: &str) -> VertexLog {
        VertexLog { vertex: "d".into(), msg: text.into(), ..VertexLog::default() }
    }

    #[test]
    fn what_is_said_twice_happens_once_and_lines_are_whole() {
        let mut reader = Reader::default();
        let status = |vertexes, logs| StatusResponse { vertexes, logs, ..StatusResponse::default() };
        let began = reader.read(status(vec![vertex(true, false), vertex(true, false)], vec![log("a\nb")]));
        let ended = reader.read(status(vec![vertex(true, true), vertex(true, true)], vec![log("c\r\nlast")]));
        let line = |line: &str| Progress::Line { vertex: "d".into(), line: line.into() };
        assert_eq!(began, [Progress::Started { vertex: "d".into(), name: "RUN x".into() }, line("a")]);
        let finished = Progress::Finished { vertex: "d".into(), cached: false, error: None };
        assert_eq!(ended, [line("bc"), line("last"), finished]);
    }
}
